/** Waiting for streams of tar-stream, which are not Node's own. */

interface Sink {
  on(event: "drain" | "close", listener: () => void): unknown;
  off(event: "drain" | "close", listener: () => void): unknown;
}

/** Settles when a stream can accept more, or never will. */
export function drained(sink: Sink): Promise<void> {
  return new Promise((settle) => {
    const done = () => {
      sink.off("drain", done);
      sink.off("close", done);
      settle();
    };
    sink.on("drain", done);
    sink.on("close", done);
  });
}
