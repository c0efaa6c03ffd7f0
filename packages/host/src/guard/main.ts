/**
 * The guard's process: launcher.pl starts it beside a Firecracker, and hands it every connection
 * that this Firecracker takes. It puts its own socket where the orchestrator waits, and ends with
 * Firecracker. Until it has said `ready` on its standard output, its end is Firecracker's end, too.
 */
import { lchownSync, linkSync, lstatSync, rmdirSync, rmSync, writeSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readPlainSync } from "../plain-file.ts";
import { isRunning, startTimeOf } from "../proc.ts";
import { openJailRoot } from "./place.ts";
import { ALLOW_VARIABLE, readPolicy, type Objection } from "./policy.ts";
import { guardServer } from "./server.ts";
import type { RulesOptions } from "./rules.ts";
import { openUpstream, type Answer, type Call } from "./upstream.ts";

/** A template has 50 KiB, a profile some hundred. */
const LAUNCHER_LIMIT = 16 * 1024 * 1024;
const STDOUT = 1;
const STDERR = 2;
const POLL = 20;
/** A process may take a while to go after its connections have. */
const ENDING = 5000;
/** For answers that Firecracker gave before it ended. */
const LAST_ANSWERS = 1000;

/** One line, whatever a path or a contract has in it: a terminal or a log may show it. */
function say(text: string): void {
  const shown = text.replaceAll(
    /\p{Cc}/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  try {
    writeSync(STDERR, `evenkeel guard: ${shown}\n`);
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

/**
 * Firecracker's end closes all connections. One that ends while it runs on leaves room for somebody
 * else's, which the guard would not see.
 */
async function afterClose(runs: () => boolean, ended: () => void, exposed: () => void) {
  const deadline = performance.now() + ENDING;
  while (runs()) {
    if (performance.now() > deadline) return exposed();
    await sleep(POLL);
  }
  return ended();
}

type Handle = (call: Call) => Promise<Answer>;

/** Core takes longer to load than all else: the socket need not wait for it, calls do. */
async function loadRules(
  launcher: string,
  allowed: ReadonlySet<Objection>,
  wires: Pick<RulesOptions, "upstream" | "limit" | "exposed" | "jail">,
): Promise<Handle> {
  const [{ guardRules }, { readSettings }] = await Promise.all([
    import("./rules.ts"),
    import("./settings.ts"),
  ]);
  const settings = readSettings(readPlainSync(launcher, LAUNCHER_LIMIT).toString("utf8"));
  return guardRules({ settings, allowed, ...wires, say });
}

async function main(): Promise<void> {
  const [launcher = "", directory = "", socket = "", pidText = "", limitText = "", where, ...fds] =
    process.argv.slice(2);
  const pid = Number(pidText);
  // Before the guest runs, and so before it can have taken Firecracker over.
  const jail = where === "jailed" ? openJailRoot(pid) : undefined;
  const startTime = startTimeOf(pid) ?? "";
  const allowed = readPolicy(process.env[ALLOW_VARIABLE]);
  const limit = Number(limitText);
  const upstream = openUpstream(fds.map(Number));
  let lost = false;
  const wires = { upstream, limit, exposed: () => lost, jail };
  let handle: Promise<Handle> | undefined;
  const rules = () => (handle ??= loadRules(launcher, allowed, wires));
  const answer = async (call: Call) => (await rules())(call);
  const server = guardServer({ handle: answer, limit });
  const runs = () => isRunning(pid, startTime);
  let closing = false;
  upstream.watch(() => {
    if (closing) return;
    closing = true;
    void afterClose(
      runs,
      () => void endWith(server),
      () => {
        [lost, closing] = [true, false];
        say("a connection to Firecracker was lost: snapshots taken from now on have no contract");
      },
    );
  });
  // A signal to the whole group is Firecracker's; the guard ends with it.
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => undefined);
  }
  const own = join(directory, "g");
  await listen(server, own);
  // As Firecracker's own would be: the private directory is whose it runs as.
  const { uid, gid } = lstatSync(directory);
  lchownSync(own, uid, gid);
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
