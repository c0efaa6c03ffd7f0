/** What one node, or one address that shows no certificate, may take of the server. */
import { TLSSocket } from "node:tls";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ServerError } from "../errors.ts";
import { nodeOfCertificate } from "../tls/authority.ts";

/** Bytes: 20,000 snapshots of a node, the longest list, in about 6 MiB. */
export const LIST_LIMIT = 8 * 1024 * 1024;

/** An agent has three, and one for each of the 64 snapshots that it may send or fetch at once. */
const NODE_CONNECTIONS = 80;
/** Operators behind one address, and nodes that are about to join. */
const ADDRESS_CONNECTIONS = 512;

/** Requests: what a node that was away has to tell, and what it may go on with each second. */
const BURST = 2000;
const PER_SECOND = 20;
/** A request costs one, and one for each of these. */
const BYTES = 64 * 1024;
/** Buckets that are full again are forgotten. */
const SWEEP_MS = 60_000;

interface Bucket {
  left: number;
  at: number;
}

/** Throws TOO_FAST. `now`: milliseconds. */
export function openBuckets(now: () => number = () => performance.now()) {
  const buckets = new Map<string, Bucket>();
  let sweptAt = now();
  const refill = (bucket: Bucket) => {
    const at = now();
    bucket.left = Math.min(BURST, bucket.left + ((at - bucket.at) / 1000) * PER_SECOND);
    bucket.at = at;
  };
  const sweep = () => {
    if (now() - sweptAt < SWEEP_MS) return;
    sweptAt = now();
    for (const [node, bucket] of buckets) {
      refill(bucket);
      if (bucket.left >= BURST) buckets.delete(node);
    }
  };
  return {
    take: (node: string, cost: number): void => {
      sweep();
      const bucket = buckets.get(node) ?? { left: BURST, at: now() };
      buckets.set(node, bucket);
      refill(bucket);
      if (bucket.left < cost) {
        throw new ServerError("TOO_FAST", `more than ${PER_SECOND} requests a second, for long`);
      }
      bucket.left -= cost;
    },
  };
}

/** What a request may turn out to be: its length, or the longest where it does not say. */
export function costOf({ headers, routeOptions }: FastifyRequest): number {
  if (routeOptions.config.isAskedFor === true) return 0;
  const length = headers["content-length"];
  const isStream = headers["transfer-encoding"] !== undefined;
  const bytes = isStream || length === undefined ? 0 : Number(length);
  return 1 + Math.floor((isStream ? (routeOptions.bodyLimit ?? 0) : bytes) / BYTES);
}

export function askLater(reply: FastifyReply): void {
  void reply.header("retry-after", "5");
}

function ownerOf(socket: TLSSocket): { readonly key: string; readonly most: number } {
  const raw = socket.authorized
    ? (socket.getPeerCertificate().raw as Buffer | undefined)
    : undefined;
  const node = raw === undefined ? undefined : nodeOfCertificate(raw);
  if (node !== undefined) return { key: node, most: NODE_CONNECTIONS };
  return { key: `address ${socket.remoteAddress ?? ""}`, most: ADDRESS_CONNECTIONS };
}

/** Ends connections beyond what their owner may have. */
export function limitConnections({ server }: FastifyInstance): void {
  const counts = new Map<string, number>();
  server.on("secureConnection", (socket: TLSSocket) => {
    const { key, most } = ownerOf(socket);
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    socket.once("close", () => {
      const left = (counts.get(key) ?? 1) - 1;
      if (left > 0) counts.set(key, left);
      else counts.delete(key);
    });
    if (count > most) socket.destroy();
  });
}
