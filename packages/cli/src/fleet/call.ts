/** Calls to the fleet's API, passing its errors through. */
import { createHash, randomUUID, X509Certificate } from "node:crypto";
import { request } from "node:https";
import { CliError, FleetError } from "../errors.ts";
import type { FleetContext } from "./contexts.ts";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const PATIENCE_MS = 60_000;
/** For a node that is slow or moves much data: some minutes. */
const MOST_WAITS = 5;

interface Trust {
  readonly ca?: string;
  readonly rejectUnauthorized?: boolean;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function send(
  url: URL,
  method: Method,
  { body, headers, ...trust }: Trust & { body?: string; headers: Record<string, string> },
): Promise<Answer> {
  return new Promise((settle, fail) => {
    const sent = request(url, { method, headers, ...trust, timeout: PATIENCE_MS }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", fail);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        settle({ status: response.statusCode ?? 0, text });
      });
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.on("error", fail);
    sent.end(body);
  });
}

/** Throws FLEET_UNREACHABLE, and what the server answers. */
async function ask(
  server: string,
  method: Method,
  path: string,
  options: Parameters<typeof send>[2],
): Promise<unknown> {
  let answer: Answer;
  try {
    answer = await send(new URL(path, server), method, options);
  } catch (cause) {
    throw new CliError("FLEET_UNREACHABLE", `${server}: ${(cause as Error).message}`, { cause });
  }
  const { status, text } = answer;
  if (status >= 200 && status < 300) return text === "" ? undefined : JSON.parse(text);
  throw FleetError.of(server, status, text);
}

/**
 * An operator's call. A change without an answer is sent once more, and is done only once; a change
 * that a node is slow to make is waited for.
 */
export async function callFleet(
  { server, ca, token }: FleetContext,
  method: Method,
  path: string,
  body?: unknown,
  { secret = false } = {},
): Promise<unknown> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && !secret) headers["idempotency-key"] = randomUUID();
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  const again = async () => await ask(server, method, path, { headers, ca, ...text });
  for (let tries = 0; ; tries++) {
    try {
      return await again();
    } catch (error) {
      if (headers["idempotency-key"] === undefined) throw error;
      const lost = error instanceof CliError && error.code === "FLEET_UNREACHABLE";
      // The server answers within a minute; a request with the same key continues to wait.
      const waits = error instanceof FleetError && error.code === "NODE_SILENT";
      if (!(lost && tries === 0) && !(waits && tries < MOST_WAITS)) throw error;
    }
  }
}

/**
 * The CA that a server presents, and its SHA-256: the caller must know it, or trust it on first
 * use.
 */
export async function fetchCa(server: string): Promise<{ pem: string; digest: string }> {
  const options = { headers: {}, rejectUnauthorized: false };
  const answer = (await ask(server, "GET", "/v1/ca", options)) as { certificate: string };
  // Only the first certificate: TLS would trust all in a PEM, but the digest covers only the first.
  const first = new X509Certificate(answer.certificate);
  return { pem: first.toString(), digest: createHash("sha256").update(first.raw).digest("hex") };
}
