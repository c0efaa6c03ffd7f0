/** `evenkeel host-proc`: the pool's guest CPU, where an orchestrator looks for the node's. */
import { resolve } from "node:path";
import { prettyJson, type NodeProfile } from "@evenkeel/core";
import {
  HostError,
  keepHostProc,
  pulseChanges,
  readPulse,
  removeHostProc,
  withdrawHostProc,
  type HostProcNews,
} from "@evenkeel/host";
import { CliError, describeError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { firecrackerDirectory } from "../input/firecrackers.ts";
import { readIfThere } from "../input/template.ts";
import { probeThisNode } from "../input/this-node.ts";
import { dropIn, hostProcReport } from "../render/host-proc.ts";
import { endSignal, rest } from "./probe-watch.ts";

export interface HostProcFlags {
  readonly at: string;
  readonly plan?: string;
  readonly proc: string;
  readonly node?: string;
  readonly kvm?: string;
  readonly firecrackerDir?: string;
  readonly pool?: string;
  readonly dropIn?: boolean;
  readonly watch?: boolean;
  readonly interval: string;
  readonly undo?: boolean;
  readonly json?: boolean;
}

type Planned = HostProcFlags & { readonly plan: string };

const POOL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function planned(flags: HostProcFlags): Planned {
  const { plan, pool } = flags;
  if (plan === undefined) throw new CliError("USAGE", "name the pool's plan with --plan");
  if (pool !== undefined && !POOL.test(pool)) {
    throw new CliError("USAGE", `--pool takes letters, digits, ".", "_" and "-", not "${pool}"`);
  }
  return { ...flags, plan };
}

async function profileFor({ node, kvm, firecrackerDir }: Planned): Promise<NodeProfile> {
  if (node !== undefined) return profileLoader()(node);
  return probeThisNode({
    ...(kvm === undefined ? {} : { kvm }),
    ...(firecrackerDir === undefined ? {} : { firecrackerDir }),
  });
}

function keep(flags: Planned, profile: NodeProfile): HostProcNews {
  const { plan, at, proc, pool, firecrackerDir } = flags;
  return keepHostProc({
    plan,
    at,
    proc,
    profile,
    ...(pool === undefined ? {} : { pool }),
    firecrackers: firecrackerDirectory(firecrackerDir),
    read: readIfThere,
    time: new Date().toISOString(),
  });
}

function asJson({ at }: HostProcFlags, { record, ...news }: HostProcNews) {
  return { at: resolve(at), ...record, ...news };
}

function print(flags: Planned, news: HostProcNews): void {
  const at = resolve(flags.at);
  if (flags.dropIn === true) process.stdout.write(dropIn(at));
  else if (flags.json === true) process.stdout.write(prettyJson(asJson(flags, news)));
  else process.stdout.write(hostProcReport(at, news));
  if (news.launchers > 0) return;
  const directory = firecrackerDirectory(flags.firecrackerDir);
  process.stderr.write(`evenkeel: no Firecracker in ${directory}: no launcher was checked\n`);
}

function intervalOf({ interval }: HostProcFlags): number {
  const seconds = Number(interval);
  if (seconds >= 0.1 && seconds <= 86_400) return seconds;
  throw new CliError("USAGE", `--interval takes seconds from 0.1 to 86400, not "${interval}"`);
}

/**
 * Checks the plan and this machine repeatedly. A node that the plan no longer fits must not report
 * its guest CPU, so the directory then loses its `cpuinfo`. After any other failure readers keep
 * what they had, as the launchers do.
 */
async function watch(flags: Planned): Promise<number> {
  const seconds = intervalOf(flags);
  const end = endSignal();
  const directory = firecrackerDirectory(flags.firecrackerDir);
  let pulse = readPulse(directory);
  let profile: NodeProfile | undefined;
  let complaint = "";
  while (!end.aborted) {
    try {
      profile ??= await profileFor(flags);
      const news = keep(flags, profile);
      if (news.changed || complaint !== "") {
        const line = { time: new Date().toISOString(), ...asJson(flags, news) };
        process.stdout.write(`${JSON.stringify(line)}\n`);
      }
      complaint = "";
    } catch (error) {
      const { message, code } = describeError(error);
      if (error instanceof HostError && code === "NODE_NOT_IN_PLAN") withdrawHostProc(flags.at);
      if (message !== complaint) process.stderr.write(`evenkeel: ${message}\n`);
      complaint = message;
    }
    await rest(seconds * 1000, end);
    const now = readPulse(directory);
    if (pulseChanges(pulse, now).length > 0) profile = undefined;
    pulse = now;
  }
  return 0;
}

function undo({ at, json }: HostProcFlags): number {
  const record = removeHostProc(at);
  const path = resolve(at);
  if (json === true) process.stdout.write(prettyJson({ at: path, removed: record !== undefined }));
  else
    process.stdout.write(record === undefined ? `${path}: nothing there\n` : `Removed ${path}\n`);
  return 0;
}

export async function runHostProc(flags: HostProcFlags): Promise<number> {
  if (flags.undo === true) return undo(flags);
  const asked = planned(flags);
  if (asked.watch === true) return watch(asked);
  print(asked, keep(asked, await profileFor(asked)));
  return 0;
}
