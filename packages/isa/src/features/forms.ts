/**
 * What mnemonics say beyond their feature: encodings that are another instruction, or none, on
 * CPUs without it; instructions of hypervisors alone.
 * Sources: Intel SDM volume 2 (TZCNT, LZCNT, PREFETCHW, CLDEMOTE, ENDBR64, BND*, WBNOINVD,
 * RDSSP), AMD APM volume 3.
 */
import { Mnemonic } from "iced-x86";

interface StandIn {
  readonly instruction: string;
  readonly effect: "silent" | "harmless";
}

/** The prefix is ignored by CPUs that do not know it. */
const STAND_INS = new Map<Mnemonic, StandIn>([
  [Mnemonic.Lzcnt, { instruction: "BSR", effect: "silent" }],
  [Mnemonic.Tzcnt, { instruction: "BSF", effect: "silent" }],
  // Writes back and empties the caches, where WBNOINVD would only have written back.
  [Mnemonic.Wbnoinvd, { instruction: "WBINVD", effect: "harmless" }],
]);

/** Encoded among the hints and reserved no-ops: 0F 0D, 0F 18 to 0F 1E, F3 90. */
const NO_OPS = new Set<Mnemonic>([
  Mnemonic.Bndcl,
  Mnemonic.Bndcn,
  Mnemonic.Bndcu,
  Mnemonic.Bndldx,
  Mnemonic.Bndmk,
  Mnemonic.Bndmov,
  Mnemonic.Bndstx,
  Mnemonic.Cldemote,
  Mnemonic.Endbr32,
  Mnemonic.Endbr64,
  Mnemonic.Pause,
  Mnemonic.Prefetch,
  Mnemonic.Prefetchit0,
  Mnemonic.Prefetchit1,
  Mnemonic.Prefetchw,
  Mnemonic.Prefetchwt1,
  Mnemonic.Rdsspd,
  Mnemonic.Rdsspq,
]);

/** Guests call hypervisors with VMCALL, VMMCALL, VMFUNC, TDCALL, PVALIDATE: those are theirs. */
const VMM_ONLY = new Set<Mnemonic>([
  Mnemonic.Clgi,
  Mnemonic.Encls,
  Mnemonic.Enclv,
  Mnemonic.Getsec,
  Mnemonic.Getsecq,
  Mnemonic.Invept,
  Mnemonic.Invlpga,
  Mnemonic.Invvpid,
  Mnemonic.Psmash,
  Mnemonic.Rmpupdate,
  Mnemonic.Rsm,
  Mnemonic.Seamcall,
  Mnemonic.Seamops,
  Mnemonic.Seamret,
  Mnemonic.Skinit,
  Mnemonic.Stgi,
  Mnemonic.Vmclear,
  Mnemonic.Vmlaunch,
  Mnemonic.Vmload,
  Mnemonic.Vmptrld,
  Mnemonic.Vmptrst,
  Mnemonic.Vmread,
  Mnemonic.Vmresume,
  Mnemonic.Vmrun,
  Mnemonic.Vmsave,
  Mnemonic.Vmwrite,
  Mnemonic.Vmxoff,
  Mnemonic.Vmxon,
]);

/** #UD for programs, whatever iced says of a mode in which old AMD CPUs allowed them. */
const KERNEL_ONLY = new Set<Mnemonic>([Mnemonic.Monitor, Mnemonic.Mwait]);

/** Features that iced does not tell apart. */
export const ALSO_NEEDS: ReadonlyMap<Mnemonic, readonly string[]> = new Map([
  [Mnemonic.Lahf, ["LAHF_LM"]],
  [Mnemonic.Sahf, ["LAHF_LM"]],
]);

export function standInOf(mnemonic: Mnemonic): StandIn | undefined {
  return STAND_INS.get(mnemonic);
}

export function isNoOpWithout(mnemonic: Mnemonic): boolean {
  return NO_OPS.has(mnemonic);
}

export function isVmmOnly(mnemonic: Mnemonic): boolean {
  return VMM_ONLY.has(mnemonic);
}

export function isKernelOnly(mnemonic: Mnemonic): boolean {
  return KERNEL_ONLY.has(mnemonic);
}
