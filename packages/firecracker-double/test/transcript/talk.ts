/** Speaking to a Firecracker, real or double, and writing down what it says. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "./calls.ts";

/** What was asked, and everything that was answered; machine-dependent text is replaced. */
export interface Exchange {
  readonly call: Call;
  /** `400`, or what became of the connection. */
  readonly status: string;
  /** Headers that are not the usual ones. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: readonly string[];
}

export interface Said {
  readonly status: number | null;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

const START_MS = 20_000;
const ANSWER_MS = 20_000;
const END_MS = 10_000;

const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+/;

/** Times go; so does what a panic says of its place in Firecracker's source. */
function normalized(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(TIME, "TIME").replace(/\d+ us\b/, "N us"))
    .map((line) => line.replace(/\bsrc\/[\w/]+\.rs:\d+:\d+/, "SOURCE"));
}

/** The options that a help text lists, without what it says of them. */
function optionsOf(lines: readonly string[]): string[] {
  const options = lines.flatMap((line) => /^\s*(--\S+(?: <\S+>)?)/.exec(line)?.[1] ?? []);
  return options.length === 0 ? [...lines] : [lines[0] ?? "", ...options.toSorted()];
}

export function run(binary: string, cwd: string, args: readonly string[]): Said {
  const options = { cwd, encoding: "utf8", timeout: END_MS, killSignal: "SIGKILL" } as const;
  const { status, stdout, stderr } = spawnSync(binary, args, options);
  const help = args.includes("--help") || args.includes("-h");
  const lines = normalized(stdout);
  return { status, stdout: help ? optionsOf(lines) : lines, stderr: normalized(stderr) };
}

const USUAL = new Set([
  "Server: Firecracker API",
  "Connection: keep-alive",
  "Content-Type: application/json",
]);

interface Answer {
  readonly status: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/** An answer that is whole; undefined where more has to come. */
function parse(received: string): Answer | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...headers] = received.slice(0, end).split("\r\n");
  const length =
    headers
      .find((line) => /^content-length:/i.test(line))
      ?.split(":")[1]
      ?.trim() ?? "0";
  const body = received.slice(end + 4);
  if (Buffer.byteLength(body, "latin1") < Number(length)) return undefined;
  return {
    status: first.replace(/^HTTP\/1\.[01] /, "").trim(),
    headers: headers.filter((line) => !USUAL.has(line) && line !== `Content-Length: ${length}`),
    body: Buffer.from(body, "latin1")
      .toString("utf8")
      .replace(/(?<=CRC64 validation failed: )\d+/, "N"),
  };
}

/** Sends bytes over a connection of their own; the answer, or how the connection ended. */
function exchange(socket: string, bytes: string): Promise<Answer> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    let received = "";
    const settle = (status: string) => {
      connection.destroy();
      resolve(parse(received) ?? { status, headers: [], body: received });
    };
    connection.setTimeout(ANSWER_MS, () => settle("no answer"));
    connection.once("connect", () => connection.write(bytes));
    connection.once("error", () => settle("connection lost"));
    connection.once("close", () => settle("connection closed"));
    connection.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (parse(received) !== undefined) settle("");
    });
  });
}

function requestOf(call: Call): string {
  const [method = "", path = ""] = call.split(" ", 2);
  const body = call.slice(method.length + path.length + 2);
  const length = body === "" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${length}\r\n${body}`;
}

export async function send(socket: string, call: Call, bytes = requestOf(call)): Promise<Exchange> {
  const { status, headers, body } = await exchange(socket, bytes);
  return {
    call,
    status,
    ...(headers.length === 0 ? {} : { headers }),
    ...(body === "" ? {} : { body }),
  };
}

export interface Conversation {
  readonly socket: string;
  /** Ends the process if it has not ended by itself within a while; how it ended. */
  readonly ended: () => Promise<Ended>;
  readonly kill: () => Promise<void>;
}

async function answers(socket: string): Promise<boolean> {
  if (!existsSync(socket) || !statSync(socket).isSocket()) return false;
  return (await exchange(socket, requestOf("GET /"))).status.startsWith("200");
}

/** Starts a process whose API answers. */
export async function converse(binary: string, cwd: string): Promise<Conversation> {
  const socket = join(cwd, "fc.sock");
  rmSync(socket, { force: true });
  const child = spawn(binary, ["--api-sock", "fc.sock", "--log-path", "log"], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const deadline = Date.now() + START_MS;
  while (!(await answers(socket))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`no API: ${stderr}`);
    await sleep(5);
  }
  const kill = async () => {
    child.kill("SIGKILL");
    await closed;
  };
  return {
    socket,
    kill,
    ended: async () => {
      const late = sleep(END_MS, undefined, { ref: false }).then(() => child.kill("SIGKILL"));
      const [code, signal] = await closed;
      void late;
      return { code, signal, stderr: normalized(stderr) };
    },
  };
}
