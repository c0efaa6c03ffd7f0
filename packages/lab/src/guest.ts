/** Watches a guest's console until it shows what is expected or the guest has ended. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { executedCode, type MicroVm } from "@evenkeel/host";
import { readCanary, readKernelEnd, type CanaryConsole } from "./console.ts";
import { decodeInstruction } from "./instruction.ts";
import { diedOfKernel, diedOfReport, diedStuck, diedWithout, type Died } from "./outcome.ts";

/** For kernel and canary on a busy machine; on an idle one they need two seconds. */
const LIMIT_MS = 90_000;
const POLL_MS = 40;
/** How long a guest may be silent before its state is inspected. */
const PATIENCE_MS = 600;
const LOOK_AGAIN_MS = 250;
/** A panicking kernel writes its report line by line. */
const REPORT_MS = 400;

export interface Watch {
  /** What the guest was seen to have: an instruction without its feature here cannot succeed. */
  readonly lacks: (feature: string) => boolean;
  readonly signal: AbortSignal;
  readonly limitMs?: number;
}

export interface Seen {
  readonly console: string;
  /** Undefined: it showed what was expected. */
  readonly died: Died | undefined;
}

async function readConsole(vm: MicroVm): Promise<string> {
  return readFile(vm.console, "latin1").catch(() => "");
}

function deathIn(text: string, canary: CanaryConsole): Died | undefined {
  if (canary.end !== undefined) return diedOfReport(canary.end, canary.ticks);
  const kernel = readKernelEnd(text);
  return kernel === undefined ? undefined : diedOfKernel(kernel, canary.ticks);
}

/** An instruction that the CPU cannot execute, seen twice at the same place: it never ends. */
async function stuckAt(vm: MicroVm, { lacks }: Watch, ticks: number): Promise<Died | undefined> {
  const look = async () => executedCode(vm.record).catch(() => undefined);
  const first = await look();
  if (first === undefined) return undefined;
  const decoded = decodeInstruction(first.bytes, first.rip);
  const missing = decoded?.features.filter(lacks) ?? [];
  if (missing.length === 0) return undefined;
  await sleep(LOOK_AGAIN_MS);
  const second = await look();
  if (second?.rip !== first.rip) return undefined;
  return diedStuck(first, missing, ticks);
}

/** Waits until `done`, or until the guest is dead, stuck or silent for too long. */
export async function watchGuest(
  vm: MicroVm,
  done: (canary: CanaryConsole, text: string) => boolean,
  watch: Watch,
): Promise<Seen> {
  const limit = Date.now() + (watch.limitMs ?? LIMIT_MS);
  let gone = false;
  void vm.exited.then(() => (gone = true));
  let text = "";
  let quietSince = Date.now();
  for (;;) {
    watch.signal.throwIfAborted();
    const ended = gone;
    const now = await readConsole(vm);
    if (now.length !== text.length) quietSince = Date.now();
    text = now;
    const canary = readCanary(text);
    const died = deathIn(text, canary);
    if (died !== undefined) {
      if (ended || canary.end !== undefined || Date.now() - quietSince > REPORT_MS)
        return { console: text, died };
    } else if (done(canary, text)) return { console: text, died: undefined };
    else if (ended) {
      const message = "the machine exited without a message";
      return { console: text, died: diedWithout("ended", message, canary.ticks) };
    } else if (Date.now() - quietSince > PATIENCE_MS) {
      const stuck = await stuckAt(vm, watch, canary.ticks);
      if (stuck !== undefined) return { console: text, died: stuck };
    }
    if (Date.now() > limit) {
      const message = `nothing happened for ${Math.round((watch.limitMs ?? LIMIT_MS) / 1000)} s`;
      return { console: text, died: diedWithout("silent", message, canary.ticks) };
    }
    await sleep(POLL_MS);
  }
}
