/**
 * Cache geometry at a restore. KVM shows guests caches of its own making since Linux 6.3 and takes
 * those of an older snapshot; before, it showed the host's and took no others.
 * Source: `set_ccsidr`, `set_clidr` and `demux_c15_set` in Linux arch/arm64/kvm/sys_regs.c.
 */
import { extract64 } from "../../bits.ts";
import { systemRegister } from "../../tables/arm/field.ts";
import { triedField, type Answer, type ArmWriter } from "./takes.ts";
import { kernelDoes } from "../../tables/kernels.ts";

const CLIDR_EL1 = systemRegister(3, 1, 0, 0, 1);
const CTR_EL0 = systemRegister(3, 3, 0, 0, 1);

const CLIDR_RES0 = 47n;

/** Whether a unified level says that data needs no cleaning for instructions to see it. */
function saysIdc(clidr: bigint): boolean {
  const [louu, loc, louis] = [
    extract64(clidr, 29, 27),
    extract64(clidr, 26, 24),
    extract64(clidr, 23, 21),
  ];
  return loc === 0n || (louis === 0n && louu === 0n);
}

function fitsClidr(clidr: bigint, ctr: bigint): boolean {
  return clidr >> CLIDR_RES0 === 0n && (extract64(ctr, 28, 28) === 1n || !saysIdc(clidr));
}

/** Both as log2 of bytes: a line may not be smaller than the smallest that the CPU has. */
function fitsCcsidr(ccsidr: bigint, id: bigint, ctr: bigint): boolean {
  const isInstruction = (id & 1n) === 1n;
  const smallest = (isInstruction ? extract64(ctr, 3, 0) : extract64(ctr, 19, 16)) + 2n;
  return ccsidr >> 32n === 0n && extract64(ccsidr, 2, 0) + 4n >= smallest;
}

function isWritable(id: bigint, writer: ArmWriter): Answer {
  if (writer.trial !== undefined) {
    const tried = triedField(writer, { id, hi: 63, lo: 0 });
    return (tried?.values.length ?? 0) > 0 ? "yes" : "no";
  }
  if (writer.release === undefined || !kernelDoes(writer.release, "makes-up-caches"))
    return "unknown";
  return "yes";
}

export function takesCaches(
  id: bigint,
  promised: bigint,
  node: ReadonlyMap<bigint, bigint>,
  writer: ArmWriter,
): Answer {
  const answer = isWritable(id, writer);
  if (answer !== "yes") return answer;
  const ctr = node.get(CTR_EL0) ?? 0n;
  const fits = id === CLIDR_EL1 ? fitsClidr(promised, ctr) : fitsCcsidr(promised, id, ctr);
  return fits ? "yes" : "no";
}
