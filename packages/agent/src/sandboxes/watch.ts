/** What an agent does on its own: enforcing deadlines, and reading guests' consoles. */
import type { Context } from "./context.ts";
import { AgentError, messageOf } from "../errors.ts";
import { killSandbox } from "./end.ts";
import { hearConsole } from "./hear.ts";
import { settle } from "./lifecycle.ts";
import { pauseSandbox } from "./pause.ts";
import { recoverBarred } from "./recover.ts";
import type { Entry } from "./registry.ts";

const TICK_MS = 250;
/** Consoles are read at every fourth tick. */
const CONSOLE_TICKS = 4;
const AGAIN_TICKS = 8;
const RETRY_MS = 5000;

async function expire(context: Context, { record }: Entry): Promise<void> {
  const { id, state, onTimeout } = record;
  if (state === "running" && onTimeout === "pause") await pauseSandbox(context, id);
  else await killSandbox(context, id, "its deadline passed");
}

/** By the monotonic clock: setting the clock back gives nobody more time. */
function isDue({ record, busy, barred, due }: Entry, now: number): boolean {
  const { state } = record;
  if (busy !== undefined || barred !== undefined || due === undefined || due > now) return false;
  return state === "running" || state === "failed";
}

function keepDeadlines(context: Context): void {
  const { sandboxes, report } = context;
  const now = performance.now();
  for (const entry of sandboxes.list().filter((one) => isDue(one, now))) {
    const { id } = entry.record;
    // If it fails, as a pause does on a full disk, do not retry it four times a second.
    sandboxes.set(id, { due: now + RETRY_MS });
    expire(context, entry).catch((error: unknown) => {
      // A sandbox that became busy or ended meanwhile is checked again later.
      if (error instanceof AgentError && error.status < 500) return;
      report(`sandbox ${id} at its deadline`, messageOf(error));
    });
  }
}

async function readConsoles(context: Context): Promise<void> {
  for (const { record } of context.sandboxes.list()) await hearConsole(context, record.id);
}

/** Retries what failed before because the disk was full or the VMM out of reach. */
async function tryAgain(context: Context): Promise<void> {
  const { sandboxes } = context;
  for (const { record, unwritten } of sandboxes.list()) {
    if (unwritten) sandboxes.note(record.id, {});
  }
  await recoverBarred(context);
}

/** Runs something now and then, never twice at a time. */
function every(ticks: number, run: () => Promise<void>): (tick: number) => void {
  let running = false;
  return (tick) => {
    if (running || tick % ticks !== 0) return;
    running = true;
    void run().finally(() => {
      running = false;
    });
  };
}

/** Starts watching; the function that it returns ends it. */
export function watch(context: Context): () => void {
  let ticks = 0;
  const duties = [
    every(CONSOLE_TICKS, () => readConsoles(context)),
    every(AGAIN_TICKS, () => tryAgain(context)),
  ];
  const timer = setInterval(() => {
    keepDeadlines(context);
    for (const { record, exit } of context.sandboxes.list()) {
      if (exit !== undefined) settle(context, record.id);
    }
    ticks += 1;
    // Checked here, so that a change is reported even if nothing is resumed.
    void context.profile;
    for (const duty of duties) duty(ticks);
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
