/** Keeps a node's HOST_PROC directory true: the plan's guest CPU, this machine's processors. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  cpuinfoGuest,
  guestWord,
  rewriteCpuinfo,
  type CpuinfoGuest,
  type NodeProfile,
} from "@evenkeel/core";
import { openTemplate, type ReadFile } from "../cpu-template/index.ts";
import { HostError } from "../errors.ts";
import { templateDigest } from "../launcher/install.ts";
import { cpuinfoAt, readHostProc, writeHostProc, type HostProcRecord } from "./directory.ts";
import { launchersIn } from "./launchers.ts";

export interface HostProcOptions {
  /** A plan's file or its directory. */
  readonly plan: string;
  readonly at: string;
  readonly profile: NodeProfile;
  /** Distinguishes pools that have the same guest CPU. */
  readonly pool?: string;
  /** Where the machine's own /proc is. */
  readonly proc: string;
  /** The directory of the orchestrator's Firecrackers; it may be empty. */
  readonly firecrackers: string;
  readonly read: ReadFile;
  /** ISO 8601. */
  readonly time: string;
}

export interface HostProcNews {
  readonly record: HostProcRecord;
  /** For display; undefined if nodes keep their own model. */
  readonly name: string | undefined;
  /** What readers found before; undefined where there was nothing. */
  readonly before: string | undefined;
  readonly changed: boolean;
  /** Firecrackers that were checked. */
  readonly launchers: number;
}

/** Clock rates always vary; that is no reason to write anything. */
const PACE = /^(cpu MHz|bogomips|BogoMIPS)\s*:.*$/gm;

function withoutPace(cpuinfo: string): string {
  return cpuinfo.replaceAll(PACE, "");
}

/** Throws LAUNCHERS_DIFFER: a node must not report a CPU that its guests do not get. */
function requireLaunchers(directory: string, digest: string): number {
  const launchers = launchersIn(directory, digest);
  const problems = launchers.flatMap((launcher) => launcher.problems);
  if (problems.length === 0) return launchers.length;
  throw new HostError("LAUNCHERS_DIFFER", problems.join("; "));
}

function cpuinfoOf(proc: string, guest: CpuinfoGuest): string {
  const file = join(proc, "cpuinfo");
  let own: string;
  try {
    own = readFileSync(file, "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new HostError("HOST_PROC_FAILED", `${file}: ${code}`, { cause: error });
  }
  const text = rewriteCpuinfo(own, guest);
  if (text !== undefined) return text;
  throw new HostError("HOST_PROC_FAILED", `${file} does not describe this machine's processors`);
}

/**
 * Writes what has changed. Throws NODE_NOT_IN_PLAN, LAUNCHERS_DIFFER, HOST_PROC_OCCUPIED,
 * HOST_PROC_FAILED, and what is wrong with the plan.
 */
export function keepHostProc(options: HostProcOptions): HostProcNews {
  const { plan: path, at, profile, pool, firecrackers, read, time } = options;
  const proc = resolve(options.proc);
  const loaded = openTemplate({ kind: "plan", path }, read).forNode(profile);
  const template = loaded.choice.kind === "template" ? loaded.choice.template : undefined;
  if (loaded.planned === undefined || template === undefined) {
    throw new HostError("NODE_NOT_IN_PLAN", `${path} has no template for ${profile.name}`);
  }
  const sent = templateDigest(template);
  const launchers = requireLaunchers(firecrackers, sent);
  const { plan, digest } = loaded.planned;
  const guest = cpuinfoGuest(plan, guestWord(plan, pool));
  const cpuinfo = cpuinfoOf(proc, guest);
  const existing = readHostProc(at);
  const told = {
    model: guest.word,
    node: profile.name,
    class: loaded.class ?? "",
    plan: digest,
    template: sent,
    ...(pool === undefined ? {} : { pool }),
    proc,
  };
  const { written, ...toldBefore } = existing ?? { written: time };
  const sameRecord = JSON.stringify(toldBefore) === JSON.stringify(told);
  const changed = !sameRecord || withoutPace(cpuinfoAt(at) ?? "") !== withoutPace(cpuinfo);
  const record = { ...told, written: changed ? time : written };
  // Links are always updated: a newly loaded module has its own directory.
  writeHostProc(at, record, cpuinfo);
  return { record, name: guest.name, before: existing?.model, changed, launchers };
}
