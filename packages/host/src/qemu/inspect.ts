/** Looking into a running microVM: where its first CPU is, and what it executes there. */
import type { VmRecord } from "../vmm.ts";
import { withQmp } from "./qmp.ts";
import { socketPath } from "./start.ts";

export interface ExecutedCode {
  readonly rip: bigint;
  /** The sixteen bytes there; empty where they cannot be read. */
  readonly bytes: Buffer;
}

/** A sample: an emulated CPU's RIP is exact when it takes exceptions, else that of its block. */
export async function executedCode(record: VmRecord): Promise<ExecutedCode | undefined> {
  return withQmp(socketPath(record), async (execute) => {
    const ask = async (line: string) =>
      String(await execute("human-monitor-command", { "command-line": line }));
    const rip = /RIP=([0-9a-f]{16})/.exec(await ask("info registers"))?.[1];
    if (rip === undefined) return undefined;
    const dump = await ask(`x /16xb 0x${rip}`);
    const bytes = [...dump.matchAll(/0x([0-9a-f]{2})\b/g)].map(([, byte]) => byte ?? "");
    return { rip: BigInt(`0x${rip}`), bytes: Buffer.from(bytes.join(""), "hex") };
  });
}
