/**
 * A stream to a guest's port as HTTP clients take it for a socket. Everything is written as one
 * Buffer at a time: HTTP/2 of Node.js 20 sends freed memory where several texts are written at once
 * (`writev` of strings, as an HTTP client does with a head and a body).
 */
import type { ClientHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";

export class PortStream extends Duplex {
  readonly #inner: ClientHttp2Stream;

  constructor(inner: ClientHttp2Stream) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    inner.on("data", (part: Buffer) => {
      if (!this.push(part)) inner.pause();
    });
    inner.on("timeout", () => this.emit("timeout"));
    inner.on("end", () => this.push(null));
    inner.on("error", (error) => this.destroy(error));
    inner.on("close", () => {
      // An end that was said is passed on; one that was not is a loss.
      if (!inner.readableEnded) this.destroy();
    });
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(part: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#inner.write(part, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inner.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner.close();
    done(error);
  }

  /** What HTTP clients ask of a socket, and the connection below sees to. */
  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(milliseconds: number, call?: () => void): this {
    this.#inner.setTimeout(milliseconds);
    if (call === undefined) return this;
    return milliseconds === 0 ? this.off("timeout", call) : this.once("timeout", call);
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
