/**
 * What executing one form of an instruction takes: CPUID features, privilege, and what a CPU
 * without the features does instead. Computed once per form (iced's `Code`), so that a scan of
 * millions of instructions pays for an array access.
 */
import { CodeExt, CpuidFeature, Instruction, type Code, type Mnemonic } from "iced-x86";
import { ICED_FEATURES, type IcedFeature } from "./map.ts";
import { ALSO_NEEDS, isKernelOnly, isNoOpWithout, isVmmOnly, standInOf } from "./forms.ts";

/**
 * What a CPU without the features does with the bytes:
 * - `fault`: #UD, which Linux turns into SIGILL
 * - `silent`: executes another instruction ({@link Requirements.standIn}): wrong results
 * - `harmless`: executes another instruction that does at least as much
 * - `no-op`: nothing
 */
export type WithoutFeature = "fault" | "silent" | "harmless" | "no-op";

/** `kernel`: ring 0 only; `vmm`: only a hypervisor or firmware has a use for it. */
export type Privilege = "user" | "kernel" | "vmm";

export interface Requirements {
  /** Names of `core`'s rows, all needed; empty for what every x86-64 CPU executes. */
  readonly features: readonly string[];
  /** Names of rows of which one suffices; usually empty. */
  readonly oneOf: readonly string[];
  readonly without: WithoutFeature;
  /** The instruction that the bytes are on a CPU without the feature: BSR for LZCNT. */
  readonly standIn: string | undefined;
  readonly privilege: Privilege;
}

/** What a program says it needs, as an instruction would need it. */
export function needing(features: readonly string[]): Requirements {
  return { features, oneOf: [], without: "fault", standIn: undefined, privilege: "user" };
}

const featureNames = new Map<number, IcedFeature>(
  (Object.keys(ICED_FEATURES) as IcedFeature[]).map((name) => [CpuidFeature[name], name]),
);

const byCode: (Requirements | undefined)[] = [];

/** Of a form of an instruction, as `Instruction.code` gives it. */
export function requirementsOf(code: Code): Requirements {
  const known = byCode[code];
  if (known !== undefined) return known;
  const requirements = compute(code);
  byCode[code] = requirements;
  return requirements;
}

function icedFeaturesOf(code: Code): IcedFeature[] {
  const instruction = new Instruction();
  try {
    instruction.code = code;
    return [...instruction.cpuidFeatures()].map((id) => {
      const name = featureNames.get(id);
      // The map has every member of the enum; a test says so.
      if (name === undefined) throw new Error(`iced's feature ${id} is not in the map`);
      return name;
    });
  } finally {
    instruction.free();
  }
}

function privilegeOf(mnemonic: Mnemonic, cpl3: boolean): Privilege {
  if (isVmmOnly(mnemonic)) return "vmm";
  return cpl3 && !isKernelOnly(mnemonic) ? "user" : "kernel";
}

function compute(code: Code): Requirements {
  const info = CodeExt.opCode(code);
  try {
    const mnemonic = info.mnemonic;
    const mapped = icedFeaturesOf(code).map((name) => ICED_FEATURES[name]);
    const rows = (kind: "all" | "any") =>
      mapped.flatMap((mapping) => (mapping.kind === kind ? mapping.rows : []));
    const also = ALSO_NEEDS.get(mnemonic) ?? [];
    const standIn = standInOf(mnemonic);
    return {
      features: [...new Set([...rows("all"), ...also])],
      oneOf: rows("any"),
      without: standIn?.effect ?? (isNoOpWithout(mnemonic) ? "no-op" : "fault"),
      standIn: standIn?.instruction,
      privilege: privilegeOf(mnemonic, info.cpl3),
    };
  } finally {
    info.free();
  }
}
