/** Listening to a guest's console: what it says of crashes becomes events. */
import { truncate } from "node:fs/promises";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { readConsole, type Crash } from "./console.ts";

/** A guest may write without end; beyond this its console starts anew. */
const CONSOLE_LIMIT = 4 * 1024 * 1024;

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

async function hear(context: Context, id: string, vm: MicroVm): Promise<void> {
  const { sandboxes, report } = context;
  const { consoleOffset = 0 } = sandboxes.find(id) ?? {};
  try {
    const { crashes, offset } = await readConsole(vm.console, consoleOffset);
    const full = offset > CONSOLE_LIMIT;
    if (full) await truncate(vm.console);
    sandboxes.set(id, { consoleOffset: full ? 0 : offset });
    for (const crash of crashes) await tell(context, id, crash);
  } catch (error) {
    report(`console of ${id}`, messageOf(error));
  }
}

/** One at a time for each microVM, so that no line is told twice. */
const turns = new WeakMap<MicroVm, Promise<void>>();

/** Reads what a sandbox's guest has written since the last time; never throws. */
export function hearConsole(context: Context, id: string): Promise<void> {
  const vm = context.sandboxes.find(id)?.vm;
  if (vm === undefined) return Promise.resolve();
  const before = turns.get(vm) ?? Promise.resolve();
  const turn = before.then(() => hear(context, id, vm));
  turns.set(vm, turn);
  return turn;
}
