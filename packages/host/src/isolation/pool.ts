/**
 * Slots: a user, a jail, control groups and a network namespace each, made ahead so that nobody
 * waits for them, and taken down whole when their microVM is gone. What an earlier process left,
 * killed or not, is found by name and reclaimed.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { checkEgress, type EgressPolicy } from "../network/egress.ts";
import {
  forgetConnections,
  makeNetwork,
  networkOf,
  networksThere,
  removeNetwork,
  setEgress,
  type NetworkPool,
} from "../network/namespaces.ts";
import { makeBareNamespace } from "../network/bare.ts";
import { isRunning } from "../proc.ts";
import type { Cell, WarmVmm } from "./cell.ts";
import { dropGroups, groupsThere, openGroup, type Cgroups, type Group } from "./cgroups.ts";
import { makeJail, removeJail } from "./jail.ts";
import { jailRoot } from "./jailer.ts";
import { rlimitsOf, type IoLimit, type MachineSize } from "./limits.ts";
import { idOf } from "./names.ts";
import { endAllOf, outputOf, usersFrom } from "./processes.ts";

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
  /** Guests' networks; without, a slot has a network namespace with nothing in it. */
  readonly network: NetworkPool | undefined;
  /** What a guest may reach where nobody says. */
  readonly egress: EgressPolicy;
  /** How many slots are made ahead. */
  readonly ahead: number;
  /** Starts a VMM in a slot that is made ahead; without, a slot waits empty. */
  readonly warm?: ((cell: Cell) => Promise<WarmVmm>) | undefined;
  readonly report: (what: string, why: unknown) => void;
}

export interface CellRequest extends MachineSize {
  /** Bytes of its largest disk. */
  readonly largestDisk: number;
  readonly egress: EgressPolicy | undefined;
  /** Where it is not the pool's own, which may wait in a slot already. */
  readonly binary?: string;
}

export interface CellPool {
  /** Whether guests can have a network. */
  readonly hasNetwork: boolean;
  /** A slot for an owner, with its limits set. Throws JAIL_FAILED, NETWORK_FAILED, NO_SLOT. */
  take(owner: string, request: CellRequest): Promise<Cell>;
  /** A running microVM's slot, found again after a restart. */
  adopt(owner: string, slot: number): void;
  /** Ends what is left of an owner's microVM. The slot's name is free when it is taken down. */
  release(owner: string): Promise<void>;
  /**
   * Takes down what an earlier process left and nobody has adopted; returns the slots. Spared are
   * those whose VMM writes its output into one of these directories.
   */
  reclaim(spared?: readonly string[]): Promise<number[]>;
  /** Throws BAD_EGRESS for a policy that is none, or opens what the operator keeps closed. */
  checkEgress(policy: EgressPolicy): void;
  /** What a running guest may reach from now on; what nobody says it of where left out. */
  setEgress(owner: string, policy?: EgressPolicy): Promise<void>;
  /** The address by which the host reaches a guest; undefined where it has no network. */
  addressOf(owner: string): string | undefined;
  /** Settles when everything that is being made or taken down is done; what was made ahead goes. */
  close(): Promise<void>;
}

interface Slot {
  readonly slot: number;
  readonly cell: Omit<Cell, "rlimits">;
}

/** A resume is not to share the processor with what is made for the next one. */
const REFILL_MS = 50;
/** Until it is known what a waiting VMM will run: more than any guest's memory. */
const WARM_RLIMITS = { fileSize: 2 ** 41, files: 2048 } as const;

/** Threads of a VMM beside its vCPUs, and a reserve. */
const TASKS = 128;

export function openCells(options: CellOptions): CellPool {
  const { tag, network, ahead, report } = options;
  const owners = new Map<string, number>();
  /** Numbers that are in use, or on their way in or out. */
  const busy = new Set<number>();
  const ready: Slot[] = [];
  const work = new Set<Promise<unknown>>();
  let closed = false;

  const background = (what: string, run: () => Promise<unknown>) => {
    const promise = run().catch((error: unknown) => report(what, error));
    work.add(promise);
    void promise.finally(() => work.delete(promise));
  };

  const free = (): number => {
    let slot = 0;
    while (busy.has(slot)) slot += 1;
    busy.add(slot);
    return slot;
  };

  const make = async (warm: CellOptions["warm"]): Promise<Slot> => {
    const slot = free();
    try {
      return { slot, cell: await makeCell(options, slot, warm) };
    } catch (error) {
      busy.delete(slot);
      throw error;
    }
  };

  let refilling = false;
  const refill = () => {
    if (closed || refilling || ready.length >= ahead) return;
    refilling = true;
    background("a slot was not made ahead", async () => {
      try {
        await sleep(REFILL_MS);
        while (!closed && ready.length < ahead) ready.push(await make(options.warm));
      } finally {
        refilling = false;
      }
    });
  };

  const takeDown = async (slot: number) => {
    await takeDownSlot(options, slot);
    busy.delete(slot);
  };

  const slotOf = (owner: string): number => {
    const slot = owners.get(owner);
    if (slot !== undefined) return slot;
    throw new HostError("JAIL_FAILED", `"${owner}" has no slot`);
  };

  return {
    hasNetwork: network !== undefined,
    take: async (owner, request) => {
      const own = request.binary === undefined || request.binary === options.binary;
      const { slot, cell } = (own ? alive(ready) : undefined) ?? (await make(undefined));
      refill();
      owners.set(owner, slot);
      const { overheadMib, io, egress } = options;
      cell.group.limit({ ...request, overheadMib, tasks: TASKS + request.vcpus, io });
      const policy = request.egress ?? egress;
      if (network !== undefined && policy !== egress) await setEgress(network, slot, policy);
      return { ...cell, rlimits: rlimitsOf(request, request.largestDisk) };
    },
    adopt: (owner, slot) => {
      owners.set(owner, slot);
      busy.add(slot);
    },
    release: async (owner) => {
      const slot = owners.get(owner);
      if (slot === undefined) return;
      owners.delete(owner);
      // What may still write to disks ends now; the rest need not be waited for.
      await endAllOf(idOf(slot, options.firstId));
      background(`slot ${slot} was not taken down`, () => takeDown(slot));
    },
    checkEgress: (policy) => checkEgress(policy, network ?? { dns: undefined, open: [] }),
    reclaim: async (spared = []) => {
      for (const slot of slotsWriting(options, spared)) busy.add(slot);
      const left = slotsLeft(options).filter((slot) => !busy.has(slot));
      for (const slot of left) {
        busy.add(slot);
        await takeDown(slot);
      }
      refill();
      return left;
    },
    setEgress: async (owner, policy = options.egress) => {
      if (network === undefined) throw new HostError("NO_NETWORK", "this node has no networks");
      await setEgress(network, slotOf(owner), policy);
    },
    addressOf: (owner) => {
      const slot = owners.get(owner);
      if (network === undefined || slot === undefined) return undefined;
      return networkOf(network, slot).addresses.slot;
    },
    close: async () => {
      closed = true;
      while (work.size > 0) await Promise.all(work);
      for (const { slot } of ready.splice(0)) await takeDown(slot);
      dropGroups(options.cgroups, tag);
    },
  };
}

/** The slot that waits longest; one whose VMM has ended meanwhile stays for the next reclaim. */
function alive(ready: Slot[]): Slot | undefined {
  for (;;) {
    const next = ready.shift();
    const record = next?.cell.warm?.running.record;
    if (record === undefined || isRunning(record.pid, record.startTime)) return next;
  }
}

async function makeCell(
  options: CellOptions,
  slot: number,
  warm: CellOptions["warm"],
): Promise<Omit<Cell, "rlimits">> {
  const { tag, jails, binary, cgroups, firstId, network, egress } = options;
  const uid = idOf(slot, firstId);
  const id = `ek${tag}-${slot}`;
  const root = jailRoot(jails, binary, id);
  let group: Group | undefined;
  try {
    makeJail({ root, uid });
    group = openGroup(cgroups, tag, slot);
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

/** Ends its processes first: nothing else is safe before. */
async function takeDownSlot(options: CellOptions, slot: number): Promise<void> {
  const { tag, jails, binary, cgroups, firstId, network } = options;
  await endAllOf(idOf(slot, firstId));
  await removeJail({ root: jailRoot(jails, binary, `ek${tag}-${slot}`) });
  const group = openGroup(cgroups, tag, slot);
  // A process that was killed leaves its group a moment after it is gone.
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

/** More than any node has: users beyond are not ours. */
const MOST_SLOTS = 100_000;

/** By everything that a slot may have left: its jail, groups, network. A process has one of them. */
function slotsLeft({ tag, jails, binary, cgroups }: CellOptions): number[] {
  const root = jailRoot(jails, binary, "x");
  const jailed = numbersIn(join(root, "../.."), `ek${tag}-`);
  const all = [...jailed, ...groupsThere(cgroups, tag), ...networksThere(tag)];
  return [...new Set(all)].filter((slot) => slot < MOST_SLOTS).toSorted((a, b) => a - b);
}

/** Slots whose VMM has its standard output in one of these directories. */
function slotsWriting({ firstId }: CellOptions, directories: readonly string[]): number[] {
  if (directories.length === 0) return [];
  return usersFrom(firstId, MOST_SLOTS).flatMap(({ pid, uid }) => {
    const output = outputOf(pid);
    return directories.some((one) => output.startsWith(`${one}/`)) ? [uid - firstId] : [];
  });
}
