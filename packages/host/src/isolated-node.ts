/** Isolation of a node as its operator has configured it: checked, then opened. */
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { HostError } from "./errors.ts";
import { warmFirecracker } from "./firecracker/process.ts";
import {
  formatCidr,
  parseAddress,
  parseCidr,
  slotAddresses,
  type Cidr,
} from "./network/addresses.ts";
import { networkMissing } from "./network/check.ts";
import { slotRules, type EgressPolicy } from "./network/egress.ts";
import { setHostRules, type NetworkPool } from "./network/namespaces.ts";
import type { Cell } from "./isolation/cell.ts";
import { claim } from "./isolation/claim.ts";
import { diskOf } from "./isolation/cgroups.ts";
import { checkIsolation } from "./isolation/check.ts";
import type { IoLimit } from "./isolation/limits.ts";
import { FIRST_ID, tagOf } from "./isolation/names.ts";
import { openCells, type CellPool } from "./isolation/pool.ts";

interface NetworkOptions {
  /** The network from which slots get their host addresses: `10.214.0.0/16`. */
  readonly pool: string;
  /** The resolver's address. */
  readonly dns?: string | undefined;
  /** Special networks that guests' rules may open. */
  readonly open: readonly string[];
}

export interface IsolationOptions {
  /** The data directory. */
  readonly directory: string;
  readonly vmm: "firecracker" | "qemu";
  readonly binary: string;
  readonly network?: NetworkOptions | undefined;
  /** The default for guests without an egress policy. */
  readonly egress: EgressPolicy;
  /** MiB per second that each microVM may read and write; no limit where undefined. */
  readonly ioMib?: number | undefined;
  readonly firstId?: number;
  readonly ahead: number;
  readonly report: (what: string, why: unknown) => void;
}

/** Firecracker needs little; QEMU brings a translator and its caches. */
const OVERHEAD_MIB = { firecracker: 64, qemu: 512 } as const;

function cidrOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidr;
  throw new HostError("NO_NETWORK", `"${text}" is not an IPv4 network`);
}

function poolOf({ pool, dns, open }: NetworkOptions, tag: string): NetworkPool {
  if (dns !== undefined && parseAddress(dns) === undefined) {
    throw new HostError("NO_NETWORK", `dns: "${dns}" is not an IPv4 address`);
  }
  return { tag, pool: cidrOf(pool), dns, open: open.map((one) => formatCidr(cidrOf(one))) };
}

/** Throws NO_NETWORK with everything that is missing; nothing is changed. */
async function checkNetwork(network: NetworkPool, egress: EgressPolicy): Promise<string> {
  const { pool, dns, open } = network;
  const rules = slotRules(slotAddresses(pool, 0), egress, network);
  const missing = await networkMissing(network, rules);
  if (missing.length > 0) throw new HostError("NO_NETWORK", missing.join("; "));
  const resolver = dns === undefined ? "no resolver" : `resolver ${dns}`;
  const opened = open.length === 0 ? "" : `, open to rules: ${open.join(", ")}`;
  const allowed = egress.default === "allow" ? "allowed" : "denied";
  return `network: ${formatCidr(pool)}, ${resolver}, egress by default ${allowed}${opened}`;
}

function ioLimit(directory: string, mib: number | undefined): IoLimit | undefined {
  if (mib === undefined) return undefined;
  const device = diskOf(directory);
  if (device !== undefined) return { device, mib };
  const message = `${directory} is not on a disk whose bandwidth can be limited`;
  throw new HostError("NO_ISOLATION", message);
}

export interface CheckedIsolation {
  /** What is in effect, and what is weaker than it should be; printed at startup. */
  readonly notes: readonly string[];
  /** Throws NO_ISOLATION where another agent has the same users, NETWORK_FAILED. */
  readonly open: () => Promise<CellPool>;
}

/**
 * Checks everything that is needed, and changes nothing except making the data directory. Throws
 * NO_ISOLATION and NO_NETWORK with everything that is missing and how to get it.
 */
export async function checkNode(options: IsolationOptions): Promise<CheckedIsolation> {
  const { vmm, binary, egress, ahead, report, firstId = FIRST_ID } = options;
  const { missing, weaker, cgroups } = await checkIsolation(vmm, binary);
  if (missing.length > 0) throw new HostError("NO_ISOLATION", missing.join("; "));
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const directory = realpathSync(options.directory);
  const tag = tagOf(directory);
  const network = options.network === undefined ? undefined : poolOf(options.network, tag);
  const said = network === undefined ? "network: none" : await checkNetwork(network, egress);
  const io = ioLimit(directory, options.ioMib);
  const how = vmm === "firecracker" ? "the jailer" : "namespaces and a user, without chroot";
  const disk = io === undefined ? ["no I/O limit is set"] : [];
  return {
    notes: [`isolation: ${how}; users from ${firstId} on`, ...disk, ...weaker, said],
    open: async () => {
      claim({ directory, tag, firstId });
      if (network !== undefined) await setHostRules(network);
      const jails = join(directory, "jails");
      const overheadMib = OVERHEAD_MIB[vmm];
      const warm =
        vmm === "firecracker" ? (cell: Cell) => warmFirecracker(binary, cell) : undefined;
      const rest = { cgroups, firstId, overheadMib, io, network, egress, ahead, warm, report };
      return openCells({ tag, jails, binary, ...rest });
    },
  };
}
