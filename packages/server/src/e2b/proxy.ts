/** The data plane: requests to sandboxes' ports, and answers that stream. */
import { request, type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { PortError } from "../http/tunnels.ts";
import { admit, answerTo, brokenConnection } from "./entry.ts";
import { framing, hasBody, passed } from "./headers.ts";
import type { E2b } from "./lifecycle.ts";
import type { Target } from "./target.ts";

function refuse(e2b: E2b, response: ServerResponse, error: unknown, target: Target): void {
  if (response.headersSent) return void response.destroy();
  const { status, body, retry } = answerTo(e2b, error, target);
  const headers = {
    "content-type": "application/json",
    ...(retry ? {} : { "should-retry": "false" }),
  };
  response.writeHead(status, headers).end(JSON.stringify({ sandboxId: target.sandbox, ...body }));
}

/** A connection that was kept can have ended when it is used again; what has no body is sent anew. */
function isWorthAgain(asked: IncomingMessage, error: NodeJS.ErrnoException, reused: boolean) {
  const { method = "" } = asked;
  const isSafe = !hasBody(asked) && /^(?:GET|HEAD|OPTIONS)$/.test(method);
  return reused && isSafe && error.code === "ECONNRESET";
}

/** Throws where the guest's head is none that can be said again. */
function passHead(answered: IncomingMessage, response: ServerResponse): void {
  const { statusCode = 0 } = answered;
  if (statusCode < 200) throw new PortError("FAILED", `the guest answered ${statusCode}`);
  // Without the guest's reason phrase, which may have any bytes.
  response.writeHead(statusCode, passed(answered));
  // Streams begin before there is anything to say.
  response.flushHeaders();
}

/** Whoever has gone, or was answered before the body had come, leaves no request behind. */
function endWith(response: ServerResponse, asked: IncomingMessage, sent: ClientRequest): void {
  response.once("close", () => {
    if (response.writableFinished && asked.complete) return;
    asked.unpipe(sent);
    sent.destroy();
    // What still comes of the body is read, so that the answer is.
    asked.resume();
  });
}

function forward(
  e2b: E2b,
  asked: IncomingMessage,
  response: ServerResponse,
  target: Target,
): Promise<void> {
  // Its "close" has been, and would end nothing.
  if (response.destroyed) return Promise.resolve();
  const { method = "GET", url: path = "/" } = asked;
  const to = { agent: e2b.gate.agent, host: target.sandbox, port: target.port, method, path };
  return new Promise((settle, fail) => {
    const headers = [...passed(asked), ...framing(asked)];
    const sent = request({ ...to, headers, setHost: false });
    let isRefused = false;
    const refuseGuest = (error: unknown) => {
      isRefused = true;
      fail(brokenConnection(error));
    };
    sent.on("response", (answered) => {
      answered.on("error", () => response.destroy());
      try {
        passHead(answered, response);
      } catch (error) {
        refuseGuest(error);
        return void sent.destroy();
      }
      answered.pipe(response);
      return settle();
    });
    // Nobody asked for another protocol.
    sent.on("upgrade", (_answered, stream) => {
      refuseGuest(undefined);
      stream.destroy();
    });
    sent.on("error", (error) => {
      if (isRefused) return;
      if (response.headersSent) response.destroy();
      else if (isWorthAgain(asked, error, sent.reusedSocket)) {
        forward(e2b, asked, response, target).then(settle, fail);
      } else fail(brokenConnection(error));
    });
    endWith(response, asked, sent);
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
    refuse(e2b, response, error, target);
  }
}
