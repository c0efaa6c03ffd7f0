/**
 * Since which Linux release KVM lets a template write a field. Kernels of distributions may carry
 * the patches earlier; KVM_ARM_GET_REG_WRITABLE_MASKS tells on a node.
 * Source: Linux arch/arm64/kvm/sys_regs.c and the KVM/arm64 pull requests for each release.
 */
import type { ArmField } from "./field.ts";
import { isFirmware } from "./lookup.ts";

export type Release = readonly [major: number, minor: number];

interface Rule {
  readonly register: string;
  readonly since: Release;
  /** The fields, or all but these. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
}

const RULES: readonly Rule[] = [
  { register: "ID_AA64PFR0_EL1", since: [5, 11], only: ["CSV2", "CSV3"] },
  { register: "ID_AA64DFR0_EL1", since: [6, 2], only: ["PMUVer"] },
  { register: "ID_DFR0_EL1", since: [6, 2], only: ["PerfMon"] },
  {
    register: "ID_AA64PFR0_EL1",
    since: [6, 7],
    except: ["AMU", "MPAM", "SVE", "RAS", "GIC", "AdvSIMD", "FP"],
  },
  { register: "ID_AA64ZFR0_EL1", since: [6, 7] },
  { register: "ID_AA64ISAR0_EL1", since: [6, 7] },
  { register: "ID_AA64ISAR1_EL1", since: [6, 7], except: ["GPI", "GPA", "API", "APA"] },
  { register: "ID_AA64ISAR2_EL1", since: [6, 7], except: ["APA3", "GPA3"] },
  {
    register: "ID_AA64MMFR0_EL1",
    since: [6, 7],
    except: ["TGran4_2", "TGran64_2", "TGran16_2", "ASIDBits"],
  },
  {
    register: "ID_AA64MMFR1_EL1",
    since: [6, 7],
    except: ["HCX", "XNX", "TWED", "VH", "VMIDBits"],
  },
  {
    register: "ID_AA64MMFR2_EL1",
    since: [6, 7],
    except: ["EVT", "FWB", "IDS", "NV", "CCIDX"],
  },
  { register: "CTR_EL0", since: [6, 11], only: ["DIC", "IDC", "DminLine", "IminLine"] },
  { register: "ID_AA64PFR1_EL1", since: [6, 12], only: ["BT", "SSBS", "CSV2_frac"] },
  {
    register: "ID_AA64DFR0_EL1",
    since: [6, 12],
    only: ["DoubleLock", "WRPs", "PMUVer", "DebugVer"],
  },
  { register: "ID_AA64MMFR3_EL1", since: [6, 13], only: ["TCRX", "S1PIE", "S1POE"] },
];

function covers({ register, only, except }: Rule, field: ArmField): boolean {
  if (register !== field.register) return false;
  if (only !== undefined) return only.includes(field.name);
  return except?.includes(field.name) !== true;
}

/** The release, or undefined where no kernel known here lets it be written. */
export function writableSince(field: ArmField): Release | undefined {
  if (isFirmware(field.id)) return [5, 0];
  return RULES.find((rule) => covers(rule, field))?.since;
}

/** `6.1` of `6.1.172-216.329.amzn2023.aarch64`. */
export function releaseOf(kernel: string): Release | undefined {
  const match = /^(\d+)\.(\d+)/.exec(kernel);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

export function isOlder([major, minor]: Release, [thanMajor, thanMinor]: Release): boolean {
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}
