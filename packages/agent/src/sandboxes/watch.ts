/** What an agent does by itself: keeping deadlines, and reading guests' consoles. */
import type { Context } from "../context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { killSandbox } from "./end.ts";
import { hearConsole } from "./hear.ts";
import { settle } from "./lifecycle.ts";
import { pauseSandbox } from "./pause.ts";
import type { Entry } from "./registry.ts";

const TICK_MS = 250;
/** Consoles are read at every fourth tick. */
const CONSOLE_TICKS = 4;

async function expire(context: Context, { record }: Entry): Promise<void> {
  const { id, state, onTimeout } = record;
  if (state === "running" && onTimeout === "pause") await pauseSandbox(context, id);
  else await killSandbox(context, id, "its time was up");
}

function isDue({ record, busy }: Entry, now: number): boolean {
  const { deadline, state } = record;
  if (busy !== undefined || deadline === undefined || Date.parse(deadline) > now) return false;
  return state === "running" || state === "failed";
}

function keepDeadlines(context: Context): void {
  const now = Date.now();
  for (const entry of context.sandboxes.list().filter((one) => isDue(one, now))) {
    expire(context, entry).catch((error: unknown) => {
      // One that got busy or ended meanwhile is looked at again with the next tick.
      if (error instanceof AgentError && error.status < 500) return;
      context.report(`sandbox ${entry.record.id} at its deadline`, messageOf(error));
    });
  }
}

async function readConsoles(context: Context): Promise<void> {
  for (const { record } of context.sandboxes.list()) await hearConsole(context, record.id);
}

/** Starts watching; the function that it returns ends it. */
export function watch(context: Context): () => void {
  let ticks = 0;
  let reading = false;
  const timer = setInterval(() => {
    keepDeadlines(context);
    // Again, where writing down that a sandbox failed has itself failed: on a full disk.
    for (const { record, exit } of context.sandboxes.list()) {
      if (exit !== undefined) settle(context, record.id);
    }
    ticks += 1;
    if (ticks % CONSOLE_TICKS !== 0 || reading) return;
    reading = true;
    void readConsoles(context).finally(() => {
      reading = false;
    });
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
