/** TCP connections to guests' ports, for those who may have them. */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Context } from "./context.ts";
import { AgentError } from "../errors.ts";

const CONNECT_MS = 5000;
const KEEP_ALIVE_MS = 30_000;
/** Of one sandbox at a time: each costs the agent two file descriptors. */
const MOST_STREAMS = 128;

const streams = new WeakMap<Context, Map<string, Set<Socket>>>();

function streamsOf(context: Context): Map<string, Set<Socket>> {
  const known = streams.get(context);
  if (known !== undefined) return known;
  const made = new Map<string, Set<Socket>>();
  streams.set(context, made);
  return made;
}

/** Throws NETWORK_OFF, WRONG_STATE. */
function addressOf({ sandboxes, cells }: Context, id: string): string {
  const { record } = sandboxes.get(id);
  if (record.state !== "running") {
    throw new AgentError("WRONG_STATE", `sandbox "${id}" is ${record.state}, not running`);
  }
  const address = record.network ? cells?.addressOf(id) : undefined;
  if (address !== undefined) return address;
  throw new AgentError("NETWORK_OFF", `sandbox "${id}" has no network`);
}

/** Throws PORT_CLOSED. `begun` gets the socket at once, and may destroy it at any time. */
function open(host: string, port: number, begun: (guest: Socket) => void): Promise<Socket> {
  return new Promise((settle, reject) => {
    const guest = connect({ host, port, allowHalfOpen: true, noDelay: true });
    begun(guest);
    const fail = (why: string) => {
      guest.destroy();
      reject(new AgentError("PORT_CLOSED", `port ${port} of the guest: ${why}`));
    };
    guest.setTimeout(CONNECT_MS, () => fail("no answer"));
    guest.once("error", ({ message }) => fail(message));
    guest.once("close", () => fail("the sandbox ended"));
    guest.once("connect", () => {
      guest.setTimeout(0);
      guest.setKeepAlive(true, KEEP_ALIVE_MS);
      settle(guest);
    });
  });
}

function keep(context: Context, id: string, guest: Socket): void {
  const all = streamsOf(context);
  const own = all.get(id) ?? new Set();
  all.set(id, own.add(guest));
  guest.once("close", () => {
    own.delete(guest);
    if (own.size === 0 && all.get(id) === own) all.delete(id);
  });
}

/** Throws NO_SUCH_SANDBOX, NETWORK_OFF, WRONG_STATE, BUSY, PORT_CLOSED. */
export async function openPort(context: Context, id: string, port: number): Promise<Socket> {
  const address = addressOf(context, id);
  if ((streamsOf(context).get(id)?.size ?? 0) >= MOST_STREAMS) {
    throw new AgentError("BUSY", `${MOST_STREAMS} streams to sandbox "${id}" are open`);
  }
  // Kept before it is connected: the next sandbox in this slot has the same address, and a
  // connection that was asked for before must not reach it.
  return await open(address, port, (guest) => keep(context, id, guest));
}

/** Ends the connections to a guest, or to all: its end does not come through once its VMM is gone. */
export function closePorts(context: Context, id?: string): void {
  const all = streamsOf(context);
  const sets = id === undefined ? [...all.values()] : [all.get(id) ?? []];
  for (const own of sets) for (const guest of own) guest.destroy();
}

/** Both ends see what the other does: data, its end, its loss. */
export function joinStreams(caller: Duplex, guest: Socket): void {
  for (const [from, to] of [
    [caller, guest],
    [guest, caller],
  ] as const) {
    from.on("error", () => to.destroy());
    from.on("close", () => {
      // An end that was said is passed on by the pipe; one that was not is a loss.
      if (!from.readableEnded) to.destroy();
    });
  }
  caller.pipe(guest);
  guest.pipe(caller);
}
