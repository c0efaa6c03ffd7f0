/** process.Process: commands, their output and input. There are no terminals. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { EventEmitter } from "node:events";
import { existsSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants } from "node:os";
import { CallError } from "./errors.ts";
import { numberIn, objectIn, textIn, textsIn, variablesIn } from "./fields.ts";
import type { Session } from "./session.ts";
import { pathFor, type User } from "./users.ts";
import { openStream, type Json, type Outgoing } from "./wire.ts";

interface Running {
  readonly pid: number;
  readonly tag: string | undefined;
  readonly config: Json;
  readonly child: ChildProcessWithoutNullStreams;
  /** `data` of each piece of output, `end` once. */
  readonly events: EventEmitter;
  readonly watchers: Set<Outgoing>;
}

const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = {
  SIGNAL_SIGTERM: "SIGTERM",
  SIGNAL_SIGKILL: "SIGKILL",
  15: "SIGTERM",
  9: "SIGKILL",
};
const KEEPALIVE = { event: { keepalive: {} } };
/** Timers take no more, and fire at once instead. */
const MOST_MS = 2 ** 31 - 1;
/** For what a command wrote before it was ended. */
const LAST_OUTPUT_MS = 200;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function endOf(code: number | null, signal: NodeJS.Signals | null): object {
  if (signal === null) {
    const exitCode = code ?? -1;
    return { exitCode, exited: true, status: `exit status ${exitCode}` };
  }
  // As a shell says it, so that callers who look at the code alone see a failure.
  const exitCode = 128 + constants.signals[signal];
  return { exitCode, exited: false, status: `signal: ${signal}`, error: `signal: ${signal}` };
}

/** Runs in a session of its own, so that a signal reaches all of it. */
function start(session: Session, user: User, request: Json): Running {
  const config = objectIn(request, "process");
  const [cmd, args] = [textIn(config, "cmd"), textsIn(config, "args")];
  if (cmd === "") throw new CallError("invalid_argument", "process.cmd: is missing");
  if (request["pty"] !== undefined) {
    throw new CallError("unimplemented", "this guest agent has no terminals (pty)");
  }
  const cwd = pathFor(user, textIn(config, "cwd"), session.workdir);
  if (!existsSync(cwd)) throw new CallError("invalid_argument", `cwd: there is no ${cwd}`);
  const own = { PATH: process.env["PATH"] ?? PATH, HOME: user.home, USER: user.name };
  const env = { ...own, LOGNAME: user.name, ...session.variables, ...variablesIn(config, "envs") };
  const isOther = user.uid !== process.getuid?.();
  const as = isOther ? { uid: user.uid, gid: user.gid } : {};
  const child = spawn(cmd, args, { cwd, env, ...as, detached: true, stdio: "pipe" });
  child.on("error", () => undefined);
  const { pid } = child;
  if (pid === undefined) throw new CallError("not_found", `${cmd} cannot be started`);
  if (request["stdin"] === false) child.stdin.end();
  child.stdin.on("error", () => undefined);
  const tag = request["tag"] === undefined ? undefined : textIn(request, "tag");
  const shown = { cmd, args, envs: variablesIn(config, "envs"), cwd };
  const events = new EventEmitter().setMaxListeners(0);
  return { pid, tag, config: shown, child, events, watchers: new Set() };
}

/** Output goes to whoever watches, no faster than the slowest does; to nobody where nobody does. */
function pump({ child, events, watchers }: Running): void {
  for (const name of ["stdout", "stderr"] as const) {
    const stream = child[name];
    stream.on("data", (part: Buffer) => {
      const message = { event: { data: { [name]: part.toString("base64") } } };
      const behind = [...watchers].filter((watcher) => !watcher.send(message));
      if (behind.length === 0) return;
      stream.pause();
      void Promise.all(behind.map(async (one) => await one.drained())).then(() => stream.resume());
    });
  }
  child.once("close", (code, signal) => events.emit("end", endOf(code, signal)));
}

function kill({ pid }: Running, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (cause) {
    throw new CallError("not_found", `process ${pid} has ended`, { cause });
  }
}

function watch(running: Running, out: Outgoing): void {
  const { watchers, events, pid } = running;
  const end = (ended: object) => {
    watchers.delete(out);
    out.send({ event: { end: ended } });
    out.end();
  };
  out.send({ event: { start: { pid } } });
  watchers.add(out);
  events.once("end", end);
  out.gone.addEventListener("abort", () => {
    watchers.delete(out);
    events.off("end", end);
  });
}

/**
 * Ends a command whose time is over. Its group may have ended before it, while what left the group
 * holds its output: that is no longer waited for.
 */
function endLate(running: Running): void {
  try {
    kill(running, "SIGKILL");
  } catch {
    // Nothing is left of the group.
  }
  const { stdout, stderr } = running.child;
  const last = setTimeout(() => {
    stdout.destroy();
    stderr.destroy();
  }, LAST_OUTPUT_MS);
  running.events.once("end", () => clearTimeout(last));
}

export function openProcesses(session: Session) {
  const all = new Map<number, Running>();
  const selected = (request: Json): Running => {
    const selector = objectIn(request, "process");
    const tag = textIn(selector, "tag");
    const found =
      tag === ""
        ? all.get(numberIn(selector, "pid") ?? 0)
        : [...all.values()].find((one) => one.tag === tag);
    if (found !== undefined) return found;
    throw new CallError("not_found", "there is no such process");
  };
  return {
    /** Streams what becomes of a command; it outlives the caller's connection, not its time. */
    start: (request: IncomingMessage, response: ServerResponse, user: User, message: Json) => {
      const running = start(session, user, message);
      all.set(running.pid, running);
      const milliseconds = Math.min(Number(request.headers["connect-timeout-ms"] ?? 0), MOST_MS);
      const timer = milliseconds > 0 ? setTimeout(endLate, milliseconds, running) : undefined;
      running.events.once("end", () => {
        clearTimeout(timer);
        all.delete(running.pid);
      });
      watch(running, openStream(request, response, KEEPALIVE));
      pump(running);
    },
    connect: (request: IncomingMessage, response: ServerResponse, message: Json) =>
      watch(selected(message), openStream(request, response, KEEPALIVE)),
    list: () => ({
      processes: [...all.values()].map(({ pid, tag, config }) => ({ pid, config, tag })),
    }),
    sendInput: (message: Json) => {
      const { child } = selected(message);
      child.stdin.write(Buffer.from(textIn(objectIn(message, "input"), "stdin"), "base64"));
      return {};
    },
    closeStdin: (message: Json) => {
      selected(message).child.stdin.end();
      return {};
    },
    sendSignal: (message: Json) => {
      const signal = SIGNALS[String(message["signal"])];
      if (signal === undefined) throw new CallError("invalid_argument", "signal: is not known");
      kill(selected(message), signal);
      return {};
    },
  };
}
