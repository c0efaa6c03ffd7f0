/**
 * The guard's process: launcher.pl starts it beside a Firecracker, and passes it every connection
 * that this Firecracker serves. The guard puts its own socket where the orchestrator waits, and
 * exits with Firecracker. If the guard exits before it has printed `ready` on standard output,
 * Firecracker is killed.
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
/** A process may exit a while after its connections were closed. */
const ENDING = 5000;
/** For answers that Firecracker sent before it exited. */
const LAST_ANSWERS = 1000;

/** Always one line, whatever a path or a contract contains: a terminal or a log may show it. */
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

/** Exits with Firecracker, once its answers have been forwarded. */
async function endWith(server: Server): Promise<void> {
  setTimeout(() => process.exit(0), LAST_ANSWERS).unref();
  server.close(() => process.exit(0));
  // Answers that have arrived are written in this turn of the event loop or the next.
  await sleep(POLL);
  server.closeIdleConnections();
}

/**
 * When Firecracker exits, all connections close. If one closes while Firecracker keeps running,
 * someone else can connect, which the guard would not see.
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

/** Core takes longest to load: the socket need not wait for it, but calls do. */
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
  // Before the guest runs, so before it can have compromised Firecracker.
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
  // A signal to the whole group is meant for Firecracker; the guard exits with it.
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => undefined);
  }
  const own = join(directory, "g");
  await listen(server, own);
  // Owned as Firecracker's own socket would be: the private directory belongs to Firecracker's
  // user.
  const { uid, gid } = lstatSync(directory);
  lchownSync(own, uid, gid);
  // Unlike rename, link fails if the path already exists; the linked socket is already listening.
  linkSync(own, socket);
  rmSync(own);
  rmdirSync(directory);
  writeSync(STDOUT, "ready\n");
  await rules().catch((error: unknown) => {
    // No call has been answered yet, so this is a failed start.
    if (isRunning(pid, startTime)) process.kill(pid, "SIGKILL");
    throw error;
  });
}

main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
