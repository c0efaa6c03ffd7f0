/** Watches a guest's console and turns reported crashes into events. */
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "./context.ts";
import { messageOf } from "../errors.ts";
import { allowance, type Allowance } from "./allowance.ts";
import { readConsole, type Crash } from "./console.ts";

/** A crash costs an event in every reader's stream and a search for its cause. */
const CRASHES_AT_ONCE = 10;
const CRASH_EVERY_MS = 6000;

async function tell(context: Context, id: string, crash: Crash): Promise<void> {
  const { explainCrash, events, report } = context;
  let cause: Record<string, unknown> | undefined;
  try {
    cause = await explainCrash?.(crash, context.sandboxes.find(id)?.contract);
  } catch (error) {
    report(`a crash in ${id} was not explained`, messageOf(error));
  }
  events.emit("guest.crashed", id, { ...crash, ...(cause === undefined ? {} : { cause }) });
}

async function hear(context: Context, id: string, vm: MicroVm, may: Allowance): Promise<void> {
  const { sandboxes, report, metrics } = context;
  const { consoleOffset = 0 } = sandboxes.find(id) ?? {};
  try {
    const { crashes, offset, skipped } = await readConsole(vm.console, consoleOffset);
    sandboxes.set(id, { consoleOffset: offset });
    if (skipped > 0) metrics.consoleSkipped.add({}, skipped);
    for (const crash of crashes) {
      if (may.take(performance.now())) await tell(context, id, crash);
    }
  } catch (error) {
    report(`console of ${id}`, messageOf(error));
  }
}

interface Hearing {
  readonly may: Allowance;
  /** One check at a time per microVM, so that no line is reported twice. */
  turn: Promise<void>;
}

const hearings = new WeakMap<MicroVm, Hearing>();

/** Reads what a sandbox's guest has written since the last check; never throws. */
export function hearConsole(context: Context, id: string): Promise<void> {
  const vm = context.sandboxes.find(id)?.vm;
  if (vm === undefined) return Promise.resolve();
  const hearing = hearings.get(vm) ?? {
    may: allowance(CRASHES_AT_ONCE, CRASH_EVERY_MS),
    turn: Promise.resolve(),
  };
  hearings.set(vm, hearing);
  hearing.turn = hearing.turn.then(() => hear(context, id, vm, hearing.may));
  return hearing.turn;
}
