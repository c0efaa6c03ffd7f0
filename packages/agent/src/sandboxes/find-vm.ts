/**
 * A sandbox's microVM, found by the processes that use its directory. Records may be outdated, lost
 * or from another PID namespace; processes are the truth. Nothing is killed or removed that may
 * still be in use.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { inUse, pidsIn, startTimeOf, worksIn, writesInto, type MicroVm } from "@evenkeel/host";
import type { CpuContract } from "@evenkeel/core";
import type { Context } from "./context.ts";
import { AgentError } from "../errors.ts";
import { readContractFile } from "../store/snapshot-files.ts";
import { egressOf } from "./confine.ts";
import type { SandboxRecord } from "./record.ts";

export const OUT_OF_SIGHT = "its VMM runs in another PID namespace, where this agent cannot see it";

type Known = Pick<SandboxRecord, "id" | "vm" | "egress">;

/** How long a killed process may take to close its files. */
const LET_GO_MS = 3000;
const POLL_MS = 20;

/** Whether a directory is really in use, not just by a process that is exiting. */
async function staysInUse(directory: string, patience: number): Promise<boolean> {
  const deadline = performance.now() + patience;
  while (await inUse(directory)) {
    if (performance.now() > deadline) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** Throws OUT_OF_REACH while a process uses a microVM's directory. */
export async function requireUnused(
  { paths }: Context,
  id: string,
  patience = LET_GO_MS,
): Promise<void> {
  if (!(await staysInUse(paths.vm(id), patience))) return;
  throw new AgentError("OUT_OF_REACH", `a process still uses ${paths.vm(id)}`);
}

/**
 * Kills what runs in a microVM's directory, or runs in a jail and writes there; throws OUT_OF_REACH
 * if it cannot.
 */
export async function reapVm(context: Context, id: string): Promise<readonly number[]> {
  const { driver, paths, cells } = context;
  // Never by the user in the record: its slot may belong to another sandbox by now.
  const jailed = (await cells?.endWriting(paths.vm(id))) ?? [];
  const pids = [...jailed, ...((await driver.reap?.(paths.vm(id))) ?? [])];
  // What could not be killed here will not exit by itself.
  await requireUnused(context, id, pids.length > 0 ? LET_GO_MS : 0);
  return pids;
}

async function adoptIn({ driver }: Context, directory: string, pid: number) {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : driver.adopt({ directory, pid, startTime });
}

/**
 * The same for one in a jail, which works elsewhere, and writes its output into its directory. Its
 * network may lack the rules that were asked for last, since the agent was killed in between, or
 * have those of an earlier configuration: they are set before anybody is told that it runs.
 */
async function adoptJailed(
  { driver, cells, paths }: Context,
  { id, vm, egress }: Known,
): Promise<MicroVm | undefined> {
  const directory = paths.vm(id);
  if (vm?.jail === undefined || !writesInto(vm.pid, directory)) return undefined;
  cells?.adopt(id, vm.jail.slot);
  if (cells?.hasNetwork === true) {
    await cells.setEgress(id, egress === undefined ? undefined : egressOf(egress));
  }
  return driver.adopt({ ...vm, jail: vm.jail, directory });
}

/**
 * Adopts a sandbox's microVM, if it is alive and answers; else kills what is left of it, because
 * two must never run on the same disks. Throws OUT_OF_REACH if it runs where it cannot be seen.
 */
export async function findVm(context: Context, record: Known): Promise<MicroVm | undefined> {
  const { id, vm: known } = record;
  const directory = context.paths.vm(id);
  const jailed = await adoptJailed(context, record);
  if (jailed !== undefined) return jailed;
  // If the record is right there is no need to look at every process.
  const right = known !== undefined && worksIn(known.pid, directory);
  for (const pid of right ? [known.pid] : pidsIn(directory)) {
    const vm = await adoptIn(context, directory, pid);
    if (vm !== undefined) return vm;
  }
  await reapVm(context, id);
  return undefined;
}

function ownContract(directory: string): CpuContract | undefined {
  try {
    return readContractFile(directory);
  } catch {
    return undefined;
  }
}

/**
 * A running guest's contract: from its directory, else from the snapshot that it came from.
 * Undefined if neither matches the record.
 */
export function findContract(
  { paths, snapshots }: Context,
  { id, from, snapshot, contract: digest }: SandboxRecord,
): CpuContract | undefined {
  const own = ownContract(paths.vm(id));
  const others = [snapshot, from].flatMap((name) => snapshots.find(name ?? "") ?? []);
  const found = [own, ...others.map(({ contract }) => contract)].map((one) =>
    one === undefined ? undefined : snapshots.intern(one),
  );
  return found.find((one) => one !== undefined && snapshots.digestOf(one) === digest);
}
