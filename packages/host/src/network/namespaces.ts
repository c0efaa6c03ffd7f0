/** A slot's network on the host: its namespace, the tap in it, and its link to the host. */
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { GUEST_NETWORK, slotAddresses, type Cidr, type SlotAddresses } from "./addresses.ts";
import { slotRules, type EgressPolicy, type NetworkSettings } from "./egress.ts";
import { hostRules, linkPrefix, type HostNetwork } from "./host-rules.ts";
import { runTool } from "./run.ts";

/** Where iproute2 keeps named namespaces. */
const DIRECTORY = "/run/netns";

export interface NetworkPool extends NetworkSettings {
  readonly tag: string;
  readonly pool: Cidr;
}

export interface SlotNetwork {
  /** A path that setns(2) takes. */
  readonly namespace: string;
  readonly addresses: SlotAddresses;
}

function nameOf(tag: string, slot: number): string {
  return `${linkPrefix(tag)}${slot}`;
}

export function namespacePath(tag: string, slot: number): string {
  return `${DIRECTORY}/${nameOf(tag, slot)}`;
}

export function networkOf({ tag, pool }: NetworkPool, slot: number): SlotNetwork {
  return {
    namespace: namespacePath(tag, slot),
    addresses: slotAddresses(pool, slot),
  };
}

/** Runs a program in a slot's network namespace. */
function within({ namespace }: SlotNetwork, command: readonly string[], input = "") {
  return runTool(["nsenter", `--net=${namespace}`, ...command], input);
}

/** No IPv6, and the guest's packets are forwarded. */
const SYSCTL = [
  "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6",
  "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6",
].join(" 2>/dev/null; ");

/** Makes a slot's network; `owner` is the user that its VMM runs as. Throws NETWORK_FAILED, NO_SLOT. */
export async function makeNetwork(
  pool: NetworkPool,
  slot: number,
  owner: number,
  policy: EgressPolicy,
): Promise<SlotNetwork> {
  const network = networkOf(pool, slot);
  const { host, slot: own } = network.addresses;
  const { tap, gateway, prefix, gatewayMac } = GUEST_NETWORK;
  const name = nameOf(pool.tag, slot);
  const inside = [
    "link set lo up",
    `tuntap add dev ${tap} mode tap user ${owner} group ${owner}`,
    `link set dev ${tap} address ${gatewayMac} up`,
    `addr add ${gateway}/${prefix} dev ${tap}`,
    `addr add ${own} peer ${host} dev veth0`,
    "link set dev veth0 up",
    `route add default via ${host} dev veth0`,
  ];
  const outside = [
    `link add ${name} type veth peer name veth0 netns ${name}`,
    `addr add ${host} peer ${own} dev ${name}`,
    `link set dev ${name} up`,
  ];
  // A namespace that already exists belongs to someone else, and stays.
  await runTool(["ip", "netns", "add", name]);
  try {
    await runTool(["ip", "-batch", "-"], outside.join("\n"));
    // The rules are in place before the guest can send; forwarding is enabled last.
    const script = `${SYSCTL} 2>/dev/null; nft -f - && echo 1 >/proc/sys/net/ipv4/ip_forward`;
    await within(network, ["sh", "-c", script], slotRules(network.addresses, policy, pool));
    await runTool(["ip", "-n", name, "-batch", "-"], inside.join("\n"));
    return network;
  } catch (error) {
    await removeNetwork(pool.tag, slot);
    throw error;
  }
}

/** Sets what a guest may reach, from its next packet on. Throws BAD_EGRESS, NETWORK_FAILED. */
export async function setEgress(
  pool: NetworkPool,
  slot: number,
  policy: EgressPolicy,
): Promise<void> {
  const network = networkOf(pool, slot);
  await within(network, ["nft", "-f", "-"], slotRules(network.addresses, policy, pool));
}

const TRIES = 10;
const RETRY_MS = 50;

/**
 * Removes a slot's network and everything in it; it is no error if there is none. Throws
 * NETWORK_FAILED if the namespace cannot be removed.
 */
export async function removeNetwork(tag: string, slot: number): Promise<void> {
  const name = nameOf(tag, slot);
  const path = namespacePath(tag, slot);
  // The link first: the namespace may outlive this with a process that is about to exit.
  await runTool(["ip", "link", "delete", name]).catch(() => undefined);
  for (let i = 1; existsSync(path); i++) {
    try {
      await runTool(["ip", "netns", "delete", name]);
    } catch (error) {
      if (i === TRIES && existsSync(path)) throw error;
      await sleep(RETRY_MS);
    }
  }
}

/** The slots that have a network namespace, whoever made it. */
export function networksThere(tag: string): number[] {
  let names: string[];
  try {
    names = readdirSync(DIRECTORY);
  } catch {
    return [];
  }
  const prefix = linkPrefix(tag);
  return names.flatMap((name) => {
    const number = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    return /^\d{1,6}$/.test(number) ? [Number(number)] : [];
  });
}

export async function setHostRules(network: HostNetwork): Promise<void> {
  await runTool(["nft", "-f", "-"], hostRules(network));
}

/**
 * Deletes the connection entries of a slot that is about to be reused, if conntrack(8) is
 * installed.
 */
export async function forgetConnections({ addresses }: SlotNetwork): Promise<void> {
  // It exits with 1 where there were none.
  await runTool(["conntrack", "-D", "-s", addresses.slot]).catch(() => undefined);
}
