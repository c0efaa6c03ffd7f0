/**
 * What KVM lets a VMM write into the registers that describe a CPU, by Linux release: the same rule
 * decides over a template at boot and over a snapshot's registers at a restore. A distribution's
 * kernel may carry the patches earlier; a node's trial of its own KVM is better than these rows.
 * Sources: Linux arch/arm64/kvm/sys_regs.c, hypercalls.c and psci.c at the releases named, and the
 * KVM/arm64 pull requests for them.
 */
import { groupBy } from "../../group.ts";
import { AA32_FIELDS } from "./aa32.ts";
import type { ArmField } from "../field.ts";
import { isFirmware } from "./lookup.ts";

interface Rule {
  readonly register: string;
  readonly since: string;
  /** The fields, or all but these. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
  /** KVM takes nothing below, whatever the CPU has. */
  readonly least?: bigint;
  readonly most?: bigint;
  /** Only kernels of this distribution, as their release is named. */
  readonly in?: string;
}

const DEBUG_V8 = 6n;

const AA32_REGISTERS = [...new Set(AA32_FIELDS.map(({ register }) => register))].filter(
  // Hidden from guests, and so no other value than 0 is taken.
  (register) => register !== "ID_DFR1_EL1",
);

/**
 * Amazon Linux 2023 carries a series of patches for writable ID registers in its 6.1. What it takes
 * is known of the fields that Firecracker's template V1N1 writes, which Firecracker's own tests
 * boot on Neoverse V1 with this kernel.
 * Source: Firecracker tests/framework/utils_cpu_templates.py and docs/cpu_templates/cpu-templates.md.
 */
const AMAZON = { since: "6.1", in: "amzn2023" } as const;

const RULES: readonly Rule[] = [
  { ...AMAZON, register: "ID_AA64PFR0_EL1", only: ["DIT"] },
  {
    ...AMAZON,
    register: "ID_AA64ISAR0_EL1",
    only: ["SHA2", "SHA3", "SM3", "SM4", "FHM", "TS", "RNDR"],
  },
  {
    ...AMAZON,
    register: "ID_AA64ISAR1_EL1",
    only: ["DPB", "JSCVT", "FCMA", "LRCPC", "BF16", "DGH", "I8MM"],
  },
  { ...AMAZON, register: "ID_AA64MMFR2_EL1", only: ["AT"] },
  { register: "ID_AA64PFR0_EL1", since: "5.10", only: ["CSV2"] },
  { register: "ID_AA64PFR0_EL1", since: "5.11", only: ["CSV3"] },
  { register: "ID_AA64DFR0_EL1", since: "6.2", only: ["PMUVer"], most: 7n },
  { register: "ID_DFR0_EL1", since: "6.2", only: ["PerfMon"], most: 7n },
  {
    register: "ID_AA64PFR0_EL1",
    since: "6.7",
    except: ["AMU", "MPAM", "SVE", "RAS", "GIC", "AdvSIMD", "FP"],
  },
  { register: "ID_AA64DFR0_EL1", since: "6.7", only: ["DebugVer"], least: DEBUG_V8 },
  { register: "ID_DFR0_EL1", since: "6.7", only: ["CopDbg"], least: DEBUG_V8 },
  { register: "ID_AA64ZFR0_EL1", since: "6.7" },
  { register: "ID_AA64ISAR0_EL1", since: "6.7" },
  { register: "ID_AA64ISAR1_EL1", since: "6.7", except: ["GPI", "GPA", "API", "APA"] },
  // Linux merges BC upwards, and so takes no smaller value.
  { register: "ID_AA64ISAR2_EL1", since: "6.7", except: ["APA3", "GPA3", "BC"] },
  {
    register: "ID_AA64MMFR0_EL1",
    since: "6.7",
    except: ["TGran4_2", "TGran64_2", "TGran16_2", "ASIDBits"],
  },
  { register: "ID_AA64MMFR1_EL1", since: "6.7", except: ["HCX", "XNX", "TWED", "VH", "VMIDBits"] },
  { register: "ID_AA64MMFR2_EL1", since: "6.7", except: ["EVT", "FWB", "IDS", "NV", "CCIDX"] },
  { register: "CTR_EL0", since: "6.11", only: ["DIC", "IDC", "DminLine", "IminLine"] },
  { register: "ID_AA64PFR1_EL1", since: "6.12", only: ["BT", "SSBS", "CSV2_frac"] },
  { register: "ID_AA64DFR0_EL1", since: "6.12", only: ["DoubleLock", "WRPs"] },
  { register: "CTR_EL0", since: "6.13", only: ["L1Ip"] },
  { register: "ID_AA64MMFR3_EL1", since: "6.13", only: ["TCRX", "S1PIE", "S1POE"] },
  { register: "ID_AA64MMFR0_EL1", since: "6.16", only: ["TGran4_2", "TGran64_2", "TGran16_2"] },
  { register: "ID_AA64PFR0_EL1", since: "6.18", only: ["GIC"] },
  // And in stable lines of late 2025: "KVM: arm64: Make all 32bit ID registers fully writable".
  ...AA32_REGISTERS.map((register): Rule => ({ register, since: "6.18" })),
  { register: "ID_AA64PFR2_EL1", since: "6.18", only: ["FPMR"] },
  { register: "ID_AA64FPFR0_EL1", since: "6.18" },
  { register: "ID_AA64ISAR3_EL1", since: "6.18", only: ["FPRCVT", "FAMINMAX"] },
  { register: "ID_AA64MMFR4_EL1", since: "6.18", only: ["NV_frac"] },
];

const RULES_OF = groupBy(RULES, ({ register }) => register);

function covers({ only, except }: Rule, field: ArmField): boolean {
  if (only !== undefined) return only.includes(field.name);
  return except?.includes(field.name) !== true;
}

const FIRMWARE: Pick<Rule, "since"> = { since: "5.0" };

type Writability = Pick<Rule, "since" | "least" | "most">;

/** Since when; undefined where no kernel up to {@link WRITABLE_READ} allows it. */
export function writability(field: ArmField, distribution = ""): Writability | undefined {
  if (isFirmware(field.id)) return FIRMWARE;
  const rules = RULES_OF.get(field.register) ?? [];
  return rules.find(
    (rule) => covers(rule, field) && (rule.in === undefined || rule.in === distribution),
  );
}

/**
 * Levels of the firmware's workarounds: KVM takes a snapshot's that asks for no more than it has,
 * and goes on to answer guests by what it has.
 * Source: `kvm_arm_set_fw_reg` in Linux arch/arm64/kvm/hypercalls.c.
 */
export function keepsItsOwn({ register }: ArmField): boolean {
  return register.startsWith("KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_");
}

/** The distribution among those that rules name, by a kernel's release; else empty. */
export function distributionOf(kernel = ""): string {
  const parts = kernel.split(".");
  return RULES.find((rule) => rule.in !== undefined && parts.includes(rule.in))?.in ?? "";
}
