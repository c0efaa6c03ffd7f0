/**
 * Addresses of sandboxes. Every guest has the same ones, inside a network namespace of its own, so
 * that a snapshot finds its network wherever it is resumed; on the host each slot has a pair of
 * addresses that nobody else has. IPv4 only: a guest has no IPv6.
 */
import { HostError } from "../errors.ts";

/**
 * What a guest sees, everywhere. Link-local, as E2B has it, so that it hides no network that a guest
 * may want to reach.
 */
export const GUEST_NETWORK = {
  address: "169.254.0.21",
  gateway: "169.254.0.22",
  netmask: "255.255.255.252",
  prefix: 30,
  /** Locally administered; the same everywhere, or a resumed guest's ARP cache would be wrong. */
  mac: "02:ee:00:00:00:15",
  gatewayMac: "02:ee:00:00:00:16",
  tap: "tap0",
  /** Of the interface in the VMM's API. */
  id: "eth0",
} as const;

/**
 * The kernel's own way to configure an interface (CONFIG_IP_PNP), with the gateway as the resolver.
 * Source: Linux Documentation/admin-guide/nfs/nfsroot.rst.
 */
export const GUEST_BOOT_ARGUMENT = `ip=${GUEST_NETWORK.address}::${GUEST_NETWORK.gateway}:${GUEST_NETWORK.netmask}::eth0:off:${GUEST_NETWORK.gateway}`;

export interface Cidr {
  /** The first address, as a number of 32 bits. */
  readonly first: number;
  readonly last: number;
  readonly prefix: number;
}

const OCTETS = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** An IPv4 address as a number; undefined where it is none. Leading zeros are refused: some read them as octal. */
export function parseAddress(text: string): number | undefined {
  const octets = OCTETS.exec(text)?.slice(1);
  if (octets?.every((octet) => Number(octet) < 256 && String(Number(octet)) === octet) !== true) {
    return undefined;
  }
  return octets.reduce((value, octet) => value * 256 + Number(octet), 0);
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

/** `10.0.0.0/8`, or one address; undefined where it is none, or has bits beyond its prefix. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = "", length = "32", ...rest] = text.split("/");
  const first = parseAddress(address);
  if (first === undefined || rest.length > 0 || !/^(?:[12]?\d|3[0-2])$/.test(length)) {
    return undefined;
  }
  const prefix = Number(length);
  const size = 2 ** (32 - prefix);
  return first % size === 0 ? { first, last: first + size - 1, prefix } : undefined;
}

export function formatCidr({ first, prefix }: Cidr): string {
  return `${formatAddress(first)}/${prefix}`;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.first <= b.last && b.first <= a.last;
}

export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.first <= inner.first && inner.last <= outer.last;
}

/**
 * Networks that no guest can reach unless the operator opens them: the host's neighbours, cloud
 * metadata, and addresses that are not valid destinations. Source: IANA, IPv4 Special-Purpose
 * Address Registry (RFC 6890), 2024.
 */
export const SPECIAL_NETWORKS = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
] as const;

/** The two ends of a slot's link between the host and its namespace. */
export interface SlotAddresses {
  readonly host: string;
  /** The slot's own address: the guest's address as seen from the host. */
  readonly slot: string;
}

/** How many slots a pool has addresses for: two each. */
function slotsIn({ prefix }: Cidr): number {
  return 2 ** (32 - prefix - 1);
}

export function slotAddresses(pool: Cidr, slot: number): SlotAddresses {
  if (slot >= slotsIn(pool)) {
    throw new HostError("NO_SLOT", `${formatCidr(pool)} has addresses for ${slotsIn(pool)} slots`);
  }
  const host = pool.first + 2 * slot;
  return { host: formatAddress(host), slot: formatAddress(host + 1) };
}
