/** One microVM under QEMU: what can be done with it once it is there. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostError } from "../errors.ts";
import { takenThrough } from "../jailed-files.ts";
import { killProcess, untilGone } from "../process.ts";
import type { MicroVm, VmExit, VmRecord } from "../vmm.ts";
import { CONSOLE, LOG, shellPipe, SOCKET } from "./arguments.ts";
import { withQmp, type Execute } from "./qmp.ts";
import { orItsEnd, socketPath } from "./start.ts";
import { writeState, type SnapshotState } from "./state.ts";

const POLL_MS = 10;
/** Bytes per second: no limit that a disk would reach. */
const MIGRATION_SPEED = 2 ** 40;

interface Migration {
  readonly status?: string;
  readonly "error-desc"?: string;
}

/** Waits until a migration in either direction has ended; throws VMM_REFUSED where it failed. */
export async function untilMigrated(execute: Execute): Promise<void> {
  for (;;) {
    const migration = (await execute("query-migrate")) as Migration;
    if (migration.status === "completed") return;
    if (migration.status === "failed" || migration.status === "cancelled") {
      const why = migration["error-desc"] ?? migration.status;
      throw new HostError("VMM_REFUSED", `migration: ${why}`);
    }
    await sleep(POLL_MS);
  }
}

async function saveMemory(execute: Execute, path: string): Promise<void> {
  await execute("migrate-set-parameters", { "max-bandwidth": MIGRATION_SPEED });
  await execute("migrate", { uri: shellPipe("cat >", path) });
  await untilMigrated(execute);
}

/** `state`: what a snapshot of it says beside its memory. */
export function microVm(
  record: VmRecord,
  exited: Promise<VmExit>,
  state: () => SnapshotState,
): MicroVm {
  const { directory } = record;
  const withQemu = <T>(work: (execute: Execute) => Promise<T>) =>
    orItsEnd(withQmp(socketPath(record), work), exited, directory);
  return {
    record,
    console: join(directory, CONSOLE),
    logs: [join(directory, LOG)],
    exited,
    pause: () => withQemu(async (execute) => void (await execute("stop"))),
    resume: () => withQemu(async (execute) => void (await execute("cont"))),
    snapshot: async (files, kind) => {
      if (kind === "diff") {
        throw new HostError("NOT_WITH_QEMU", "QEMU's emulation takes only full snapshots");
      }
      await takenThrough(record.jail, files, ({ memory }) =>
        withQemu((execute) => saveMemory(execute, memory)),
      );
      await writeState(files.state, state());
    },
    kill: async () => {
      killProcess(record);
      // The process does not keep this one alive, so that `exited` alone might never settle.
      await untilGone(record);
      if (record.jail === undefined) await rm(join(directory, SOCKET), { force: true });
    },
  };
}
