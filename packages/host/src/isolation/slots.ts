/** One slot: making it, tearing it down, and finding it again by what it left behind. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { inUse } from "../life.ts";
import { makeBareNamespace } from "../network/bare.ts";
import type { EgressPolicy } from "../network/egress.ts";
import {
  forgetConnections,
  makeNetwork,
  networkOf,
  networksThere,
  removeNetwork,
  type NetworkPool,
} from "../network/namespaces.ts";
import type { Cell, WarmVmm } from "./cell.ts";
import { groupsThere, openGroup, type Cgroups } from "./cgroups.ts";
import { besideJail, makeJail, removeJail } from "./jail.ts";
import { jailRoot } from "./jailer.ts";
import type { IoLimit } from "./limits.ts";
import { idOf, MOST_SLOTS } from "./names.ts";
import { endAllOf, filesIn, outputOf, usersFrom } from "./processes.ts";

export interface CellOptions {
  /** Of the data directory: see names.ts. */
  readonly tag: string;
  /** The directory of all jails; on the file system of snapshots, so that files can be linked. */
  readonly jails: string;
  /** The VMM's executable, after which the jailer names its directories. */
  readonly binary: string;
  readonly cgroups: Cgroups;
  /** The user of slot 0. */
  readonly firstId: number;
  /** What a VMM needs beside its guest's memory. */
  readonly overheadMib: number;
  readonly io: IoLimit | undefined;
  /** Guest networks; without, a slot has an empty network namespace. */
  readonly network: NetworkPool | undefined;
  /** What a guest may reach by default. */
  readonly egress: EgressPolicy;
  /** How many slots are prepared in advance. */
  readonly ahead: number;
  /** Starts a VMM in a slot prepared in advance; without it, the slot waits empty. */
  readonly warm?: ((cell: Cell) => Promise<WarmVmm>) | undefined;
  readonly report: (what: string, why: unknown) => void;
}

/** A slot's cell before it is known what will run in it. */
export type EmptyCell = Omit<Cell, "rlimits">;

/** The limit until it is known what a waiting VMM will run: more than any guest's memory. */
const WARM_RLIMITS = { fileSize: 2 ** 41, files: 2048 } as const;

/**
 * Makes everything that a slot needs, with a VMM in it if `warm` starts one; a failure leaves
 * nothing behind.
 */
export async function makeCell(
  options: CellOptions,
  slot: number,
  warm: CellOptions["warm"],
): Promise<EmptyCell> {
  const { tag, jails, binary, cgroups, firstId, network, egress } = options;
  const uid = idOf(slot, firstId);
  const id = `ek${tag}-${slot}`;
  const root = jailRoot(jails, binary, id);
  try {
    makeJail({ root, uid });
    const group = openGroup(cgroups, tag, slot);
    const namespace =
      network === undefined
        ? await makeBareNamespace(tag, slot)
        : (await makeNetwork(network, slot, uid, egress)).namespace;
    const cell = { slot, id, uid, root, namespace, group };
    if (warm === undefined) return cell;
    return { ...cell, warm: await warm({ ...cell, rlimits: WARM_RLIMITS }) };
  } catch (error) {
    await takeDownSlot(options, slot).catch(() => undefined);
    throw error;
  }
}

const GROUP_TRIES = 50;
const GROUP_WAIT_MS = 20;

/** How long a killed process may take to close its files. */
const LET_GO_MS = 3000;

/** Its VMM has a log beside the jail open, and may be running where this process cannot see it. */
async function requireUnused(root: string, slot: number): Promise<void> {
  const deadline = performance.now() + LET_GO_MS;
  while (await inUse(besideJail({ root }))) {
    if (performance.now() > deadline) {
      throw new HostError(
        "JAIL_FAILED",
        `slot ${slot} is used by a process in another PID namespace`,
      );
    }
    await sleep(GROUP_WAIT_MS);
  }
}

/**
 * Kills its processes first: nothing else is safe before that. If one cannot be killed from here,
 * throws JAIL_FAILED and leaves everything as it is.
 */
export async function takeDownSlot(options: CellOptions, slot: number): Promise<void> {
  const { tag, jails, binary, cgroups, firstId, network } = options;
  await endAllOf(idOf(slot, firstId));
  const root = jailRoot(jails, binary, `ek${tag}-${slot}`);
  await requireUnused(root, slot);
  await removeJail({ root });
  const group = openGroup(cgroups, tag, slot);
  // A killed process leaves its cgroup a moment after it has exited.
  for (let i = 0; !group.remove() && i < GROUP_TRIES; i++) {
    await sleep(GROUP_WAIT_MS);
  }
  if (network !== undefined) await forgetConnections(networkOf(network, slot));
  await removeNetwork(tag, slot);
}

function numbersIn(directory: string, prefix: string): number[] {
  try {
    return readdirSync(directory).flatMap((name) => {
      const number = name.startsWith(prefix) ? name.slice(prefix.length) : "";
      return /^\d{1,6}$/.test(number) ? [Number(number)] : [];
    });
  } catch {
    return [];
  }
}

/** By anything that a slot may have left behind: its jail, groups, network, or only processes. */
export function slotsLeft({ tag, jails, binary, cgroups, firstId }: CellOptions): number[] {
  const root = jailRoot(jails, binary, "x");
  const jailed = numbersIn(join(root, "../.."), `ek${tag}-`);
  const running = usersFrom(firstId, MOST_SLOTS).map(({ uid }) => uid - firstId);
  const all = [...jailed, ...groupsThere(cgroups, tag), ...networksThere(tag), ...running];
  return [...new Set(all)].filter((slot) => slot < MOST_SLOTS).toSorted((a, b) => a - b);
}

/** Slots whose VMM has its standard output in a directory, whatever the file's name. */
export function slotsWriting({ firstId }: CellOptions, directory: string): number[] {
  const files = new Set(filesIn(directory));
  if (files.size === 0) return [];
  const writing = usersFrom(firstId, MOST_SLOTS).filter(({ pid }) => {
    const output = outputOf(pid);
    return output !== undefined && files.has(output);
  });
  return [...new Set(writing.map(({ uid }) => uid - firstId))];
}
