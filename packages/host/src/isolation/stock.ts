/** The slots of a pool: numbered, prepared in advance, and torn down in the background. */
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning } from "../proc.ts";
import { makeCell, takeDownSlot, type CellOptions, type EmptyCell } from "./slots.ts";

/** A resume should not compete for CPU with the slot prepared for the next one. */
const REFILL_MS = 50;

export interface Stock {
  /** A prepared slot if possible, else a new one. */
  take(mayBeAhead: boolean): Promise<EmptyCell>;
  /** Marks a slot as taken; returns whether it was free. */
  claim(slot: number): boolean;
  /** Tears a slot down and frees its number. */
  drop(slot: number): Promise<void>;
  /** Runs something in the background. */
  later(what: string, run: () => Promise<unknown>): void;
  /** Prepares slots in the background. */
  refill(): void;
  /** Waits for everything in progress, and tears down the prepared slots. */
  close(): Promise<void>;
}

/**
 * The slot that has waited longest; one whose VMM has exited meanwhile is left for the next
 * reclaim.
 */
function alive(ready: EmptyCell[]): EmptyCell | undefined {
  for (;;) {
    const next = ready.shift();
    const record = next?.warm?.running.record;
    if (record === undefined || isRunning(record.pid, record.startTime)) return next;
  }
}

export function openStock(options: CellOptions): Stock {
  const { ahead, report } = options;
  /** Numbers that are in use, or being made or torn down. */
  const busy = new Set<number>();
  const ready: EmptyCell[] = [];
  const work = new Set<Promise<unknown>>();
  const state = { closed: false, refilling: false };

  const claim = (slot: number) => busy.size < busy.add(slot).size;
  const make = async (warm: CellOptions["warm"]): Promise<EmptyCell> => {
    let slot = 0;
    while (!claim(slot)) slot += 1;
    try {
      return await makeCell(options, slot, warm);
    } catch (error) {
      busy.delete(slot);
      throw error;
    }
  };
  const drop = async (slot: number) => {
    await takeDownSlot(options, slot);
    busy.delete(slot);
  };
  const later = (what: string, run: () => Promise<unknown>) => {
    const promise = run().catch((error: unknown) => report(what, error));
    work.add(promise);
    void promise.finally(() => work.delete(promise));
  };
  const fill = async () => {
    await sleep(REFILL_MS);
    while (!state.closed && ready.length < ahead) ready.push(await make(options.warm));
  };
  const refill = () => {
    if (state.closed || state.refilling || ready.length >= ahead) return;
    state.refilling = true;
    later("a slot could not be prepared", () => fill().finally(() => (state.refilling = false)));
  };
  return {
    take: async (mayBeAhead) => {
      const cell = (mayBeAhead ? alive(ready) : undefined) ?? (await make(undefined));
      refill();
      return cell;
    },
    claim,
    drop,
    later,
    refill,
    close: async () => {
      state.closed = true;
      while (work.size > 0) await Promise.all(work);
      for (const { slot } of ready.splice(0)) await drop(slot);
    },
  };
}
