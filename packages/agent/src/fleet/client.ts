/**
 * Calls to the fleet server: JSON over TLS, one answer at a time, each bounded in size and time.
 */
import { Agent, request, type RequestOptions } from "node:https";
import { parseJson } from "@evenkeel/core";
import { AgentError, messageOf } from "../errors.ts";

/** A plan of a large pool has some megabytes. */
const ANSWER_LIMIT = 64 * 1024 * 1024;
const PATIENCE_MS = 20_000;

/** PEMs: the CA that the node trusts and, once joined, its certificate. */
export interface Credentials {
  readonly ca: string;
  readonly certificate?: string;
  readonly key?: string;
}

export interface FleetClient {
  /** Throws SERVER_UNREACHABLE, SERVER_REFUSED. */
  call(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<unknown>;
  close(): void;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function send(url: URL, options: RequestOptions, body: string | undefined): Promise<Answer> {
  return new Promise((settle, fail) => {
    const sent = request(url, options, (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
        if (length > ANSWER_LIMIT) sent.destroy(new Error("the answer is too long"));
        else parts.push(part);
      });
      response.on("error", fail);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        settle({ status: response.statusCode ?? 0, text });
      });
    });
    sent.on("error", fail);
    // For the whole call: a socket's own timeout restarts with each byte.
    const timer = setTimeout(() => sent.destroy(new Error("no answer in time")), PATIENCE_MS);
    sent.on("close", () => clearTimeout(timer));
    sent.end(body);
  });
}

/** The server's refusal, in its own words. */
function refusal(what: string, { status, text }: Answer): AgentError {
  let [code, message] = ["", `HTTP ${status}`];
  try {
    const { error } = JSON.parse(text) as { error: { code: unknown; message: unknown } };
    [code, message] = [String(error.code), String(error.message).slice(0, 2000)];
  } catch {
    // The answer does not come from a fleet server, or something in between changed it.
  }
  return new AgentError("SERVER_REFUSED", `${what}: ${code} ${message}`.replace(":  ", ": "));
}

export function openClient(server: string, credentials: Credentials | "untrusted"): FleetClient {
  const trust =
    credentials === "untrusted"
      ? { rejectUnauthorized: false }
      : { ca: credentials.ca, cert: credentials.certificate, key: credentials.key };
  // Sessions are not resumed, so that each connection uses the current certificate.
  const agent = new Agent({ keepAlive: true, maxSockets: 2, maxCachedSessions: 0, ...trust });
  return {
    call: async (method, path, body) => {
      const what = `${method} ${path}`;
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = text === undefined ? {} : { "content-type": "application/json" };
      let answer: Answer;
      try {
        answer = await send(new URL(path, server), { method, headers, agent }, text);
      } catch (cause) {
        const message = `${server}: ${what}: ${messageOf(cause)}`;
        throw new AgentError("SERVER_UNREACHABLE", message, { cause });
      }
      if (answer.status < 200 || answer.status >= 300) throw refusal(what, answer);
      return answer.text === "" ? undefined : parseJson(answer.text);
    },
    close: () => agent.destroy(),
  };
}
