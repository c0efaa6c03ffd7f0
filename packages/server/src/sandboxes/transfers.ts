/**
 * Snapshots on their way from a node to another: parts go through memory, at the pace of the slower
 * of the two. A part is answered once it was handed on. Both nodes must be at the same server.
 */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { ServerError } from "../errors.ts";

/** How long a side waits for the other. */
const PATIENCE_MS = 60_000;

interface Transfer {
  readonly stream: PassThrough;
  next: number;
  isFetched: boolean;
  timer: NodeJS.Timeout;
}

export interface Transfers {
  /** Throws WRONG_STATE where the other side is gone, or the part is not the next one. */
  put(id: string, part: number, body: Buffer, last: boolean): Promise<void>;
  /** Throws WRONG_STATE where somebody fetches it already. */
  fetch(id: string): PassThrough;
  /** The side that sends gave up: the other one hears of it at once. */
  fail(id: string, why: string): void;
  close(): void;
}

function ended(id: string): ServerError {
  return new ServerError("WRONG_STATE", `transfer ${id} has ended: the other node gave up`);
}

/** Waits until there is room for more; the last part, until all was read. */
async function passOn(id: string, stream: PassThrough, body: Buffer, last: boolean): Promise<void> {
  const flows = stream.write(body);
  if (last) stream.end();
  if (flows && !last) return;
  const gone = once(stream, "close");
  await Promise.race([last ? gone : once(stream, "drain"), gone]).catch(() => undefined);
  if (stream.destroyed && !stream.readableEnded) throw ended(id);
}

export function openTransfers(): Transfers {
  const open = new Map<string, Transfer>();

  const drop = (id: string, transfer: Transfer, why?: string) => {
    clearTimeout(transfer.timer);
    if (open.get(id) === transfer) open.delete(id);
    if (why !== undefined) transfer.stream.destroy(new Error(why));
  };
  const patience = (id: string, transfer: () => Transfer) =>
    setTimeout(() => drop(id, transfer(), "the other node does not come"), PATIENCE_MS).unref();
  const find = (id: string): Transfer => {
    const known = open.get(id);
    if (known !== undefined) return known;
    const made: Transfer = {
      stream: new PassThrough({ highWaterMark: 1024 * 1024 }),
      next: 0,
      isFetched: false,
      timer: patience(id, () => made),
    };
    // Whoever reads or writes hears of it; a stream that nobody listens to must not end the server.
    made.stream.on("error", () => undefined);
    made.stream.on("close", () => drop(id, made));
    open.set(id, made);
    return made;
  };
  const goOn = (id: string, transfer: Transfer) => {
    clearTimeout(transfer.timer);
    transfer.timer = patience(id, () => transfer);
  };

  return {
    put: async (id, part, body, last) => {
      // Only the first part begins a transfer: after a restart, both sides begin anew.
      if (part > 0 && !open.has(id)) throw ended(id);
      const transfer = find(id);
      const { stream } = transfer;
      if (stream.destroyed) throw ended(id);
      if (part < transfer.next) return;
      if (part > transfer.next) {
        throw new ServerError("WRONG_STATE", `part ${transfer.next} comes next, not ${part}`);
      }
      transfer.next += 1;
      goOn(id, transfer);
      await passOn(id, stream, body, last);
    },
    fetch: (id) => {
      const transfer = find(id);
      if (transfer.isFetched) {
        throw new ServerError("WRONG_STATE", `transfer ${id} is fetched already`);
      }
      transfer.isFetched = true;
      goOn(id, transfer);
      return transfer.stream;
    },
    fail: (id, why) => {
      const transfer = open.get(id);
      if (transfer !== undefined) drop(id, transfer, why);
    },
    close: () => {
      for (const [id, transfer] of open) drop(id, transfer, "the server is about to stop");
    },
  };
}
