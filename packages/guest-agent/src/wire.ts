/**
 * Connect's protocol over HTTP/1.1 with JSON: unary calls, and streams from the server, whose
 * messages are in envelopes of a byte of flags and four of length.
 * https://connectrpc.com/docs/protocol/
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { callErrorOf, CallError } from "./errors.ts";

export type Json = Readonly<Record<string, unknown>>;

/** A message of a call has no reason to be larger: files go another way. */
const MESSAGE_LIMIT = 16 * 1024 * 1024;
const END = 0x02;
const COMPRESSED = 0x01;
/** Bytes of an envelope before its message. */
const PREFIX = 5;

export async function readAll(request: IncomingMessage, limit = MESSAGE_LIMIT): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > limit) throw new CallError("resource_exhausted", "the message is too large");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function parse(bytes: Buffer): Json {
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = text === "" ? {} : JSON.parse(text);
  } catch (cause) {
    throw new CallError("invalid_argument", "the message is not JSON", { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new CallError("invalid_argument", "the message is not an object");
}

function isStream({ headers }: IncomingMessage): boolean {
  return headers["content-type"]?.startsWith("application/connect+json") === true;
}

/** The one message of a request, whichever way it was sent. */
export async function readMessage(request: IncomingMessage): Promise<Json> {
  const bytes = await readAll(request);
  if (!isStream(request)) return parse(bytes);
  if (bytes.length < PREFIX || bytes.length < PREFIX + bytes.readUInt32BE(1)) {
    throw new CallError("invalid_argument", "the envelope is cut short");
  }
  if (((bytes[0] ?? 0) & COMPRESSED) !== 0) {
    throw new CallError("unimplemented", "compressed messages are not accepted");
  }
  return parse(bytes.subarray(PREFIX, PREFIX + bytes.readUInt32BE(1)));
}

function envelope(flags: number, message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

export interface Outgoing {
  /** Sends a message; false where the reader is behind. */
  send(message: object): boolean;
  /** Ends the stream, with an error where there is one. */
  end(error?: unknown): void;
  /** Settles once the reader has caught up, or has gone. */
  drained(): Promise<void>;
  /** Aborted once nobody reads. */
  readonly gone: AbortSignal;
}

/** A stream of messages as the answer; pings after each `Keepalive-Ping-Interval` seconds. */
export function openStream(
  request: IncomingMessage,
  response: ServerResponse,
  keepalive: object,
): Outgoing {
  const gone = new AbortController();
  response.writeHead(200, { "content-type": "application/connect+json" });
  const send = (message: object) => response.write(envelope(0, message));
  const seconds = Number(request.headers["keepalive-ping-interval"] ?? 0);
  const pings =
    seconds >= 1 ? setInterval(() => void send(keepalive), seconds * 1000).unref() : undefined;
  response.once("close", () => {
    clearInterval(pings);
    gone.abort();
  });
  return {
    send,
    end: (error) => {
      if (error === undefined) return void response.end(envelope(END, {}));
      const { code, message } = callErrorOf(error);
      return void response.end(envelope(END, { error: { code, message } }));
    },
    drained: () =>
      new Promise((settle) => {
        if (!response.writableNeedDrain || gone.signal.aborted) return settle();
        const done = () => {
          response.off("drain", done).off("close", done);
          settle();
        };
        response.once("drain", done).once("close", done);
      }),
    gone: gone.signal,
  };
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Says what went wrong, in the way that the call was made in. */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  const known = callErrorOf(error);
  if (response.headersSent) return void response.destroy();
  // What is left of the body is not read.
  if (!request.complete) response.setHeader("connection", "close");
  const { code, message, status } = known;
  if (!isStream(request)) {
    // RPCs have a word there, other calls a number.
    const isRpc = /^\/(?:process|filesystem)\./.test(request.url ?? "");
    return sendJson(response, status, { code: isRpc ? code : status, message });
  }
  response.writeHead(200, { "content-type": "application/connect+json" });
  response.end(envelope(END, { error: { code, message } }));
}
