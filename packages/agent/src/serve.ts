/** Where an agent listens: a Unix socket, or TCP. */
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { accepts } from "@evenkeel/host";
import type { Agent } from "./agent.ts";
import { AgentError, messageOf } from "./errors.ts";

export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** `/run/evenkeel/agent.sock`, `127.0.0.1:7700`, `[::1]:7700`; throws BAD_CONFIG. */
export function parseAddress(text: string): Address {
  if (text.includes("/")) return { kind: "unix", path: text };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    const message = `listen: "${text}" is neither a path (with a slash) nor host:port`;
    throw new AgentError("BAD_CONFIG", message);
  }
  return { kind: "tcp", host: match[1] ?? match[2] ?? "", port };
}

/**
 * Removes the socket that a killed agent left; throws BAD_CONFIG if an agent is still listening.
 */
async function clear(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new AgentError("BAD_CONFIG", `listen: ${path} exists and is not a socket`);
  if (await accepts(path)) throw new AgentError("BAD_CONFIG", `${path}: address already in use`);
  rmSync(path);
}

/** Starts listening; returns the address for display. Throws BAD_CONFIG. */
export async function listen({ app }: Agent, address: Address): Promise<string> {
  try {
    if (address.kind === "tcp") return await app.listen({ host: address.host, port: address.port });
    await clear(address.path);
    // Others must not be able to connect even for a moment.
    const mask = process.umask(0o177);
    try {
      await app.listen({ path: address.path });
    } finally {
      process.umask(mask);
    }
    chmodSync(address.path, 0o600);
    return address.path;
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw new AgentError("BAD_CONFIG", `listen: ${messageOf(cause)}`, { cause });
  }
}
