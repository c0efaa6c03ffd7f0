/** The contract of a snapshot that a node takes of a guest which another snapshot brought there. */
import { isSameTsc } from "../firecracker/tsc.ts";
import { snapshotFormat } from "../tables/releases.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { compareIds, weaknessMask, type RegisterId } from "../tables/registers.ts";
import { kernelMove } from "../tables/kernels.ts";
import { contractType, type CpuContract } from "./contract.ts";
import { doubtsAbout } from "./doubts.ts";
import { unbackedPromises } from "./unbacked.ts";

export interface InheritOptions {
  readonly firecracker: string;
  readonly time?: string;
}

/**
 * A snapshot saves all registers that the KVM it runs on lists, also those that the guest did not
 * bring: a node that is to resume it must know them too. Nobody told the guest of the weaknesses
 * that such a register announces, for it had looked before it came.
 */
function withRegistersOf<T extends { readonly value: bigint }>(
  own: readonly T[],
  taker: readonly T[],
  idOf: (register: T) => RegisterId,
  type: CpuType | undefined,
): T[] {
  const known = new Set(own.map(idOf));
  const told = (id: RegisterId) => (type === undefined ? 0n : weaknessMask(type, id));
  const added = taker
    .filter((register) => !known.has(idOf(register)))
    .map((register) => ({ ...register, value: register.value & ~told(idOf(register)) }));
  return [...own, ...added].toSorted((a, b) => compareIds(idOf(a), idOf(b)));
}

/**
 * What the guest's TSC runs at on the taker, and so what its snapshot says. Firecracker sets the
 * frequency only where the two differ by more than its tolerance: within it the guest has the
 * taker's, and a chain of such moves may lead far from where it began.
 */
function tscOf({ tscKhz }: CpuContract, { tsc }: NodeProfile): number | undefined {
  if (tscKhz === undefined || tsc === undefined) return undefined;
  if (isSameTsc(tscKhz, tsc.khz)) return tsc.khz;
  return tsc.scaling === true ? tscKhz : undefined;
}

/** False promises of the origin that are false on the taker too: programs may rely on the others. */
function stillUnbacked(origin: CpuContract, { cpu }: NodeProfile): readonly string[] {
  const { unbacked, vendor } = origin;
  if (unbacked.length === 0 || vendor === undefined) return [];
  const there = new Set(unbackedPromises(origin, cpu, vendor));
  return unbacked.filter((name) => there.has(name));
}

const UNKNOWN = "an unknown one";

/** Doubts about the move that the new contract, with the taker's kernel and clock, cannot show. */
function doubtsOfMove(origin: CpuContract, taker: NodeProfile, tscKhz: number | undefined) {
  const { kernel: from = UNKNOWN } = origin;
  const { kernel: to = UNKNOWN } = taker.host;
  const move = kernelMove(origin.kernel, taker.host.kernel);
  const isTested = move === "same" || move === "step";
  const lost = origin.tscKhz !== undefined && tscKhz === undefined;
  return [
    ...(isTested
      ? []
      : [`it moved from host kernel ${from} to ${to} on ${taker.name}, which is not tested`]),
    ...(lost
      ? [`it is not known what its TSC of ${origin.tscKhz} kHz became on ${taker.name}`]
      : []),
  ];
}

/**
 * The guest CPU stays the one that the guest was booted with; the kernel, the format, the TSC and
 * the set of MSRs are the taker's. No doubt is ever lost: neither the origin's, nor those about
 * the taker, where programs have started since, nor what was held against the move and overruled.
 */
export function inheritContract(
  origin: CpuContract,
  taker: NodeProfile,
  { firecracker, time }: InheritOptions,
): CpuContract {
  const type = contractType(origin);
  const tscKhz = tscOf(origin, taker);
  const doubts = [
    ...origin.incomplete,
    ...doubtsAbout(taker),
    ...doubtsOfMove(origin, taker, tscKhz),
  ];
  return {
    ...origin,
    unbacked: stillUnbacked(origin, taker),
    msrs: withRegistersOf(origin.msrs, taker.cpu.msrs, ({ addr }) => addr, type),
    registers: withRegistersOf(origin.registers, taker.cpu.registers, ({ id }) => id, type),
    tscKhz,
    kernel: taker.host.kernel,
    firecracker,
    snapshotFormat: snapshotFormat(firecracker),
    incomplete: [...new Set(doubts)],
    time,
  };
}
