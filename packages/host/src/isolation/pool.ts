/**
 * Cells for microVMs, by owner: each has a user, a jail, control groups and a network namespace.
 * Whatever an earlier process left behind is found by name and reclaimed.
 */
import { HostError } from "../errors.ts";
import { checkEgress, type EgressPolicy } from "../network/egress.ts";
import { networkOf, setEgress } from "../network/namespaces.ts";
import type { Cell } from "./cell.ts";
import { dropGroups } from "./cgroups.ts";
import { rlimitsOf, type MachineSize } from "./limits.ts";
import { idOf } from "./names.ts";
import { endAllOf } from "./processes.ts";
import { slotsLeft, slotsWriting, type CellOptions, type EmptyCell } from "./slots.ts";
import { openStock, type Stock } from "./stock.ts";

interface CellRequest extends MachineSize {
  /** Bytes of its largest disk. */
  readonly largestDisk: number;
  readonly egress: EgressPolicy | undefined;
  /** If it is not the pool's default, which may already be waiting in a slot. */
  readonly binary?: string;
}

interface Spared {
  readonly owner: string;
  readonly directory: string;
}

export interface CellPool {
  /** Whether guests can have a network. */
  readonly hasNetwork: boolean;
  /** A slot for an owner, with its limits set. Throws JAIL_FAILED, NETWORK_FAILED, NO_SLOT. */
  take(owner: string, request: CellRequest): Promise<Cell>;
  /** A running microVM's slot, found again after a restart. */
  adopt(owner: string, slot: number): void;
  /** Kills what is left of an owner's microVM. The slot's name is free once it is torn down. */
  release(owner: string): Promise<void>;
  /**
   * Kills whatever writes its output into a directory, going by open files and not by records; its
   * slots are torn down in the background. Returns the pids.
   */
  endWriting(directory: string): Promise<number[]>;
  /**
   * Kills what an earlier process left behind and nobody has adopted, and tears its slots down in
   * the background; returns them. Spares owners whose VMM writes its output into their directory.
   */
  reclaim(spared?: readonly Spared[]): Promise<number[]>;
  /** Throws BAD_EGRESS for an invalid policy, or one that opens what the operator keeps closed. */
  checkEgress(policy: EgressPolicy): void;
  /** Sets what a running guest may reach from now on; if left out, the default. */
  setEgress(owner: string, policy?: EgressPolicy): Promise<void>;
  /** The address by which the host reaches a guest; undefined where it has no network. */
  addressOf(owner: string): string | undefined;
  /** Settles when everything in progress is done; slots prepared in advance are torn down. */
  close(): Promise<void>;
}

/** A VMM's threads besides its vCPUs, plus a reserve. */
const TASKS = 128;

async function takeCell(
  options: CellOptions,
  stock: Stock,
  request: CellRequest,
): Promise<EmptyCell> {
  const { overheadMib, io, egress, network, binary } = options;
  const cell = await stock.take((request.binary ?? binary) === binary);
  try {
    cell.group.limit({ ...request, overheadMib, tasks: TASKS + request.vcpus, io });
    const policy = request.egress ?? egress;
    if (network !== undefined && policy !== egress) await setEgress(network, cell.slot, policy);
    return cell;
  } catch (error) {
    stock.later(`slot ${cell.slot} was not torn down`, () => stock.drop(cell.slot));
    throw error;
  }
}

function requireSlot(owners: ReadonlyMap<string, number>, owner: string): number {
  const slot = owners.get(owner);
  if (slot !== undefined) return slot;
  throw new HostError("JAIL_FAILED", `"${owner}" has no slot`);
}

/** Tears down the slots without an owner; returns them. */
async function reclaimLeft(options: CellOptions, stock: Stock): Promise<number[]> {
  const left = slotsLeft(options).filter((slot) => stock.claim(slot));
  // Whatever could still write to disks is killed first; the rest can wait.
  await endAllOf(...left.map((slot) => idOf(slot, options.firstId)));
  stock.later("slots could not be reclaimed", async () => {
    for (const slot of left) {
      // A slot that cannot be torn down keeps its number; the others can be used.
      await stock.drop(slot).catch((error: unknown) => options.report(`slot ${slot}`, error));
    }
  });
  stock.refill();
  return left;
}

export function openCells(options: CellOptions): CellPool {
  const { tag, network, cgroups, egress } = options;
  const stock = openStock(options);
  const owners = new Map<string, number>();
  const adopt = (owner: string, slot: number) => {
    owners.set(owner, slot);
    stock.claim(slot);
  };
  const dropLater = (slot: number) => {
    stock.later(`slot ${slot} was not torn down`, () => stock.drop(slot));
  };
  return {
    hasNetwork: network !== undefined,
    take: async (owner, request) => {
      const cell = await takeCell(options, stock, request);
      owners.set(owner, cell.slot);
      return { ...cell, rlimits: rlimitsOf(request, request.largestDisk) };
    },
    adopt,
    release: async (owner) => {
      const slot = owners.get(owner);
      if (slot === undefined) return;
      owners.delete(owner);
      // Whatever may still write to disks is killed now; no need to wait for the rest.
      await endAllOf(idOf(slot, options.firstId));
      dropLater(slot);
    },
    endWriting: async (directory) => {
      const slots = slotsWriting(options, directory);
      if (slots.length === 0) return [];
      for (const [owner, slot] of owners) if (slots.includes(slot)) owners.delete(owner);
      for (const slot of slots) stock.claim(slot);
      const pids = await endAllOf(...slots.map((slot) => idOf(slot, options.firstId)));
      for (const slot of slots) dropLater(slot);
      return pids;
    },
    reclaim: async (spared = []) => {
      for (const { owner, directory } of spared) {
        for (const slot of slotsWriting(options, directory)) adopt(owner, slot);
      }
      return await reclaimLeft(options, stock);
    },
    checkEgress: (policy) => checkEgress(policy, network ?? { dns: undefined, open: [] }),
    setEgress: async (owner, policy = egress) => {
      if (network === undefined) throw new HostError("NO_NETWORK", "this node has no networks");
      await setEgress(network, requireSlot(owners, owner), policy);
    },
    addressOf: (owner) => {
      const slot = owners.get(owner);
      if (network === undefined || slot === undefined) return undefined;
      return networkOf(network, slot).addresses.slot;
    },
    close: async () => {
      await stock.close();
      dropGroups(cgroups, tag);
    },
  };
}
