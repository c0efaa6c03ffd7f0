/** The data plane: WebSockets, and whatever else a guest upgrades to. */
import { request, STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { PortError } from "../http/tunnels.ts";
import { admit, answerTo, brokenConnection } from "./entry.ts";
import { E2bError } from "./errors.ts";
import { GUEST_PORT } from "./gate.ts";
import { hasBody, headText, passed } from "./headers.ts";
import type { E2b } from "./lifecycle.ts";
import type { Target } from "./target.ts";

/** A caller's connection, and what came on it after the head. */
interface Caller {
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** How long a guest may take to agree: a caller that goes meanwhile is not seen to go. */
const AGREE_MS = 30_000;

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

/** Throws 404, 400 for what is no upgrade of a guest's own. */
function requirePlain(asked: IncomingMessage, { port }: Target): void {
  if (port === GUEST_PORT) throw new E2bError(404, "the guest's agent has nothing to upgrade to");
  if (hasBody(asked)) throw new E2bError(400, "an upgrade with a body is not passed on");
}

/** The guest answered as HTTP, and its answer is the last thing on the connection. */
function passAnswer(answered: IncomingMessage, socket: Duplex): void {
  const { statusCode = 0 } = answered;
  if (statusCode < 200) throw new PortError("FAILED", `the guest answered ${statusCode}`);
  const first = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? "Unknown"}`;
  socket.write(headText(first, [...passed(answered), "Connection", "close"]), "latin1");
  answered.pipe(socket);
}

/** Settles once the guest has answered: bytes pass only where it agreed to another protocol. */
function handOver(asked: IncomingMessage, { socket, head }: Caller, guest: Duplex): Promise<void> {
  const { method = "GET", url: path = "/", headers } = asked;
  const upgrade = ["Connection", "Upgrade", "Upgrade", headers.upgrade ?? ""];
  return new Promise((settle, fail) => {
    const sent = request({
      createConnection: () => guest,
      method,
      path,
      setHost: false,
      headers: [...passed(asked), ...upgrade],
    });
    const timer = setTimeout(() => sent.destroy(), AGREE_MS);
    sent.once("close", () => clearTimeout(timer));
    sent.on("upgrade", (answered, stream, rest) => {
      clearTimeout(timer);
      const agreed = ["Connection", "Upgrade", "Upgrade", answered.headers.upgrade ?? ""];
      const own = [...passed(answered), ...agreed];
      socket.write(headText("HTTP/1.1 101 Switching Protocols", own), "latin1");
      socket.write(rest);
      stream.write(head);
      joined(socket, stream);
      settle();
    });
    sent.on("response", (answered) => {
      clearTimeout(timer);
      answered.on("error", () => socket.destroy());
      try {
        passAnswer(answered, socket);
        settle();
      } catch (error) {
        fail(brokenConnection(error));
        sent.destroy();
      }
    });
    sent.on("error", (error) => fail(brokenConnection(error)));
    sent.end();
  });
}

function refuse(e2b: E2b, socket: Duplex, error: unknown, target: Target): void {
  const { status, body } = answerTo(e2b, error, target);
  const text = JSON.stringify({ sandboxId: target.sandbox, ...body });
  const headers = [
    ["Content-Type", "application/json"],
    ["Content-Length", String(Buffer.byteLength(text))],
    ["Connection", "close"],
  ].flat();
  socket.end(`${headText(`HTTP/1.1 ${status} Refused`, headers)}${text}`);
}

export async function proxyUpgrade(
  e2b: E2b,
  asked: IncomingMessage,
  caller: Caller,
  target: Target,
): Promise<void> {
  const { socket } = caller;
  try {
    requirePlain(asked, target);
    const { node } = await admit(e2b, asked, target);
    const guest = await e2b.gate.tunnels.open(node, target.sandbox, target.port);
    guest.on("error", () => guest.destroy());
    socket.once("close", () => guest.destroy());
    if (socket.destroyed) return void guest.destroy();
    await handOver(asked, caller, guest);
  } catch (error) {
    refuse(e2b, socket, error, target);
  }
}
