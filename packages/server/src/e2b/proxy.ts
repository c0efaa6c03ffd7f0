/** The data plane: requests, streams and upgraded connections to sandboxes' ports. */
import { request, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { messageOf } from "../errors.ts";
import { PortError } from "../http/tunnels.ts";
import { mayReach } from "./admit.ts";
import { E2bError, e2bAnswerOf } from "./errors.ts";
import { ensureRunning, type E2b } from "./lifecycle.ts";
import type { Target } from "./target.ts";

/** Of one connection alone, and what is this server's to know. */
const NOT_PASSED: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "e2b-sandbox-id",
  "e2b-sandbox-port",
  "e2b-traffic-access-token",
  "x-api-key",
]);

/** As they were written, in their order, without what `Connection` names. */
function passed({ rawHeaders, headers }: IncomingMessage): string[] {
  const named = new Set((headers.connection ?? "").toLowerCase().split(/\s*,\s*/));
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = [rawHeaders[i], rawHeaders[i + 1]];
    const lower = name.toLowerCase();
    if (!NOT_PASSED.has(lower) && !named.has(lower)) kept.push(name, value);
  }
  return kept;
}

/** 502 is what SDKs take for "not running"; its body has E2B's members. */
function notRunning(sandbox: string, why: string): E2bError {
  return new E2bError(502, `sandbox ${sandbox}: ${why}`, "sandbox_not_running");
}

/** Throws 401, 502; resumes a paused sandbox that was created so. */
async function admit(e2b: E2b, asked: IncomingMessage, target: Target): Promise<void> {
  const { gate, tokens } = e2b;
  const { sandbox } = target;
  const place = await gate.placeOf(sandbox);
  if (place === undefined) throw notRunning(sandbox, "was not found");
  if (!mayReach(asked, target, place.publicTraffic, tokens)) {
    throw new E2bError(
      401,
      `port ${target.port} of sandbox ${sandbox}: the token is missing or wrong`,
    );
  }
  if (place.state === "running") return;
  if (!place.autoResume) throw notRunning(sandbox, `is ${place.state}`);
  const actor = { kind: "team", name: place.team } as const;
  await ensureRunning(e2b, actor, sandbox, place.timeoutSeconds);
}

function answerOf(error: unknown, { sandbox, port }: Target) {
  if (error instanceof PortError) {
    const why = error.code === "PORT_CLOSED" ? `nothing listens on port ${port}` : error.message;
    return e2bAnswerOf(notRunning(sandbox, why));
  }
  const known = e2bAnswerOf(error);
  const isOwn = error instanceof E2bError || known.status !== 500;
  return isOwn
    ? known
    : e2bAnswerOf(notRunning(sandbox, `the connection failed: ${messageOf(error)}`));
}

function refuse(response: ServerResponse, error: unknown, target: Target): void {
  if (response.headersSent) return void response.destroy();
  const { status, body, retry } = answerOf(error, target);
  const headers = {
    "content-type": "application/json",
    ...(retry ? {} : { "should-retry": "false" }),
  };
  response.writeHead(status, headers).end(JSON.stringify({ sandboxId: target.sandbox, ...body }));
}

/** A connection that was kept can have ended when it is used again; what has no body is sent anew. */
function isWorthAgain(asked: IncomingMessage, error: NodeJS.ErrnoException, reused: boolean) {
  const { method = "", headers } = asked;
  const hasBody = headers["content-length"] !== undefined || "transfer-encoding" in headers;
  return reused && !hasBody && /^(?:GET|HEAD|OPTIONS)$/.test(method) && error.code === "ECONNRESET";
}

function forward(
  e2b: E2b,
  asked: IncomingMessage,
  response: ServerResponse,
  target: Target,
): Promise<void> {
  const { method = "GET", url: path = "/" } = asked;
  const to = { agent: e2b.gate.agent, host: target.sandbox, port: target.port, method, path };
  return new Promise((settle, fail) => {
    // A body without a length has to be framed anew, whatever the method: unframed, it would be the
    // next request on a connection that others use.
    const framed =
      asked.headers["transfer-encoding"] === undefined ? [] : ["Transfer-Encoding", "chunked"];
    const headers = [...passed(asked), ...framed];
    const sent = request({ ...to, headers, setHost: false });
    sent.on("response", (answered) => {
      answered.on("error", () => response.destroy());
      response.writeHead(answered.statusCode ?? 502, answered.statusMessage, passed(answered));
      // Streams begin before there is anything to say.
      response.flushHeaders();
      answered.pipe(response);
      settle();
    });
    sent.on("error", (error) => {
      if (response.headersSent) response.destroy();
      else if (isWorthAgain(asked, error, sent.reusedSocket)) {
        forward(e2b, asked, response, target).then(settle, fail);
      } else fail(error);
    });
    response.on("close", () => {
      if (!response.writableFinished) sent.destroy();
    });
    asked.pipe(sent);
  });
}

export async function proxy(
  e2b: E2b,
  asked: IncomingMessage,
  response: ServerResponse,
  target: Target,
): Promise<void> {
  try {
    await admit(e2b, asked, target);
    await forward(e2b, asked, response, target);
  } catch (error) {
    refuse(response, error, target);
  }
}

/** The head as it came, for who speaks another protocol from here on. */
function headOf(asked: IncomingMessage): string {
  const { method = "GET", url = "/", headers } = asked;
  const lines = [`${method} ${url} HTTP/1.1`];
  const kept = passed(asked);
  for (let i = 0; i + 1 < kept.length; i += 2) lines.push(`${kept[i] ?? ""}: ${kept[i + 1] ?? ""}`);
  return `${lines.join("\r\n")}\r\nConnection: Upgrade\r\nUpgrade: ${headers.upgrade ?? ""}\r\n\r\n`;
}

function joined(caller: Duplex, guest: Duplex): void {
  for (const [from, to] of [
    [caller, guest],
    [guest, caller],
  ] as const) {
    from.on("error", () => to.destroy());
    from.on("close", () => {
      // An end that was said is passed on by the pipe; one that was not is a loss.
      if (!from.readableEnded) to.destroy();
    });
    from.pipe(to);
  }
}

/** WebSockets, and whatever else a guest upgrades to. */
export async function proxyUpgrade(
  e2b: E2b,
  asked: IncomingMessage,
  { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
  target: Target,
): Promise<void> {
  try {
    await admit(e2b, asked, target);
    const place = await e2b.gate.placeOf(target.sandbox);
    if (place === undefined) throw notRunning(target.sandbox, "was not found");
    const guest = await e2b.gate.tunnels.open(place.node, target.sandbox, target.port);
    guest.write(headOf(asked));
    guest.write(head);
    joined(socket, guest);
  } catch (error) {
    const { status, body } = answerOf(error, target);
    const text = JSON.stringify({ sandboxId: target.sandbox, ...body });
    const length = Buffer.byteLength(text);
    socket.end(
      `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${text}`,
    );
  }
}
