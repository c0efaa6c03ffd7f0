/**
 * The guard's process: launcher.pl starts it beside a Firecracker that listens on a private socket.
 * It takes that socket for itself, puts its own where the orchestrator waits, and ends with
 * Firecracker. Until it has said `ready` on its standard output, its end is Firecracker's end, too.
 */
import { linkSync, readFileSync, rmdirSync, rmSync, writeSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning, startTimeOf } from "../proc.ts";
import { ALLOW_VARIABLE, readPolicy, type Objection } from "./policy.ts";
import { guardServer } from "./server.ts";
import { openUpstream, type Answer, type Call, type Upstream } from "./upstream.ts";

const STDOUT = 1;
const STDERR = 2;
const POLL = 20;
/** For answers that Firecracker gave before it ended. */
const LAST_ANSWERS = 1000;

function say(text: string): void {
  try {
    writeSync(STDERR, `evenkeel guard: ${text}\n`);
  } catch {
    // Nobody reads it.
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
}

/** Ends with Firecracker, once what it has answered is through. */
async function endWith(server: Server): Promise<void> {
  setTimeout(() => process.exit(0), LAST_ANSWERS).unref();
  server.close(() => process.exit(0));
  // Answers that have arrived are written in this turn of the event loop or the next.
  await sleep(POLL);
  server.closeIdleConnections();
}

/** Firecracker's end closes the connection; should it have closed it otherwise, there is another. */
async function watch(upstream: Upstream, runs: () => boolean, ended: () => void): Promise<void> {
  await upstream.watch(() => {
    if (!runs()) {
      ended();
      return;
    }
    setTimeout(() => watch(upstream, runs, ended).catch(ended), POLL);
  });
}

type Handle = (call: Call) => Promise<Answer>;

/** Core takes longer to load than all else: the socket need not wait for it, calls do. */
async function loadRules(
  launcher: string,
  allowed: ReadonlySet<Objection>,
  upstream: Upstream,
): Promise<Handle> {
  const [{ guardRules }, { readSettings }] = await Promise.all([
    import("./rules.ts"),
    import("./settings.ts"),
  ]);
  const settings = readSettings(readFileSync(launcher, "utf8"));
  return guardRules({ settings, allowed, upstream, say });
}

async function main(): Promise<void> {
  const [launcher = "", directory = "", socket = "", pidText = "", limit = ""] =
    process.argv.slice(2);
  const pid = Number(pidText);
  const startTime = startTimeOf(pid) ?? "";
  const allowed = readPolicy(process.env[ALLOW_VARIABLE]);
  const upstream = openUpstream(join(directory, "s"));
  let handle: Promise<Handle> | undefined;
  const rules = () => (handle ??= loadRules(launcher, allowed, upstream));
  const answer = async (call: Call) => (await rules())(call);
  const server = guardServer({ handle: answer, limit: Number(limit) });
  await watch(
    upstream,
    () => isRunning(pid, startTime),
    () => void endWith(server),
  );
  // A signal to the whole group is Firecracker's; the guard ends with it.
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => undefined);
  }
  const own = join(directory, "g");
  await listen(server, own);
  // Unlike rename, link fails where there is something already; what is linked already listens.
  linkSync(own, socket);
  rmSync(own);
  rmdirSync(directory);
  writeSync(STDOUT, "ready\n");
  await rules().catch((error: unknown) => {
    // No call has been answered yet: this is a start that failed.
    if (isRunning(pid, startTime)) process.kill(pid, "SIGKILL");
    throw error;
  });
}

main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
