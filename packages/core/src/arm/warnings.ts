/** What stands between an aarch64 plan and its use, and no template can change. */
import { listOf } from "../format/text.ts";
import { estimateWarnings, kernelWarnings } from "../plan/warnings.ts";
import type { CpuTemplate } from "../template/template.ts";
import { fieldBits } from "../bits.ts";
import type { ArmClass } from "./class.ts";
import { partialRegisters, someRegisters } from "./costs.ts";
import type { ArmField } from "./field.ts";
import type { ArmEmitted } from "./guest.ts";
import {
  armFields,
  armRegisterBytes,
  armRegisterName,
  armReservedMask,
  isCacheGeometry,
} from "./lookup.ts";
import { MIDR_EL1 } from "./others.ts";
import { isOlder, releaseOf, writableSince, type Release } from "./writable.ts";

function writtenFields({ regModifiers }: CpuTemplate): ArmField[] {
  return regModifiers.flatMap(({ addr, mask }) =>
    armFields(addr).filter((field) => (mask & fieldBits(field)) !== 0n),
  );
}

/** `SHA2 and RNDR (ID_AA64ISAR0_EL1)` per register; AArch32's many together. */
function namesOf(fields: readonly ArmField[]): string {
  const registers = new Map<string, string[]>();
  for (const { name, register } of fields) {
    const key = register.startsWith("ID_AA64") || register === "CTR_EL0" ? register : "AArch32";
    registers.set(key, [...(registers.get(key) ?? []), name]);
  }
  return [...registers]
    .map(([register, names]) =>
      register === "AArch32"
        ? `${names.length} fields of the AArch32 ID registers`
        : `${listOf(names)} (${register})`,
    )
    .join(", ");
}

/** Fields of a class's template that the KVM of one of its kernels would refuse to write. */
function unwritable({ armClass, template }: ArmEmitted): string[] {
  const fields = writtenFields(template);
  const never = fields.filter((field) => writableSince(field) === undefined);
  const releases = armClass.kernels.map(releaseOf).filter((release) => release !== undefined);
  const late = fields.filter((field) => {
    const since = writableSince(field);
    return since !== undefined && releases.some((release) => isOlder(release, since));
  });
  const newest = late
    .map((field): Release => writableSince(field) ?? [0, 0])
    .reduce<Release>((a, b) => (isOlder(a, b) ? b : a), [0, 0]);
  return [
    ...(late.length === 0
      ? []
      : [
          `${armClass.id}: its host kernel does not let a template write ${namesOf(late)}; Linux ` +
            `${newest.join(".")} does, or one that carries its patches. Until then InstanceStart fails.`,
        ]),
    ...(never.length === 0
      ? []
      : [
          `${armClass.id}: no kernel known here lets a template write ${namesOf(never)}. Check on ` +
            "the node with KVM_ARM_GET_REG_WRITABLE_MASKS; where KVM refuses, InstanceStart fails.",
        ]),
    ...(fields.length > 0 && releases.length === 0
      ? [
          `${armClass.id}: its kernel is not known. Its template writes ID registers, which most ` +
            "need Linux 6.7 for.",
        ]
      : []),
  ];
}

/** Bits without a row: nothing says that KVM lets a template clear them. */
function reservedWrites({ armClass, template }: ArmEmitted): string[] {
  const names = template.regModifiers
    .filter(({ addr, mask }) => (mask & armReservedMask(addr)) !== 0n)
    .map(({ addr }) => armRegisterName(addr));
  if (names.length === 0) return [];
  return [
    `${armClass.id}: its template clears bits without a known meaning in ${listOf(names)}; KVM may ` +
      "refuse that, and then InstanceStart fails.",
  ];
}

function differ(classes: readonly ArmClass[], id: bigint): boolean {
  return new Set(classes.map(({ registers }) => registers.get(id))).size > 1;
}

function identityWarnings(classes: readonly ArmClass[]): string[] {
  if (!differ(classes, MIDR_EL1)) return [];
  return [
    "MIDR_EL1 differs between classes, and no template changes it: programs that choose code by " +
      "CPU model (JITs, OpenSSL, BLAS) and a kernel's errata keep to the CPU they started on. KVM " +
      "before 6.15, and later unless KVM_CAP_ARM_WRITABLE_IMP_ID_REGS is enabled, refuses to " +
      "restore another CPU's MIDR_EL1: try a resume between these classes before relying on it.",
  ];
}

/** Before 6.3 KVM shows the caches of the host and refuses to restore those of another. */
function cacheWarnings(classes: readonly ArmClass[]): string[] {
  const ids = new Set(classes.flatMap(({ registers }) => [...registers.keys()]));
  const different = [...ids].filter((id) => isCache(id) && differ(classes, id));
  if (different.length === 0) return [];
  return [
    "Cache geometry (CLIDR_EL1, CCSIDR_EL1) differs between classes. KVM before 6.3 refuses to " +
      "restore another host's, so a resume from one class on another may fail there.",
  ];
}

function isCache(id: bigint): boolean {
  return isCacheGeometry(id) || armRegisterName(id) === "CLIDR_EL1";
}

function presenceWarnings(classes: readonly ArmClass[]): string[] {
  return partialRegisters(classes).map(({ ids, present }) => {
    const having = classes.filter((_, i) => present[i]).map(({ id }) => id);
    return (
      `Only ${listOf(having)} ${having.length === 1 ? "has" : "have"} ${someRegisters(ids)}. A ` +
      "snapshot holds every register, and KVM refuses one it does not know: such a snapshot does " +
      "not load on the other classes."
    );
  });
}

const WIDEST = 16;

/** A template reaches 128 bits, and Firecracker's fingerprint leaves wider registers out. */
function widthWarnings(classes: readonly ArmClass[]): string[] {
  const ids = new Set(classes.flatMap(({ registers }) => [...registers.keys()]));
  const wide = [...ids].filter((id) => armRegisterBytes(id) > WIDEST);
  if (wide.length === 0) return [];
  return [`Out of a template's reach, because wider than 128 bits: ${someRegisters(wide)}.`];
}

export function armWarnings(emitted: readonly ArmEmitted[]): string[] {
  const classes = emitted.map(({ armClass }) => armClass);
  return [
    ...emitted.flatMap(unwritable),
    ...emitted.flatMap(reservedWrites),
    ...identityWarnings(classes),
    ...cacheWarnings(classes),
    ...presenceWarnings(classes),
    ...widthWarnings(classes),
    ...kernelWarnings(classes),
    ...estimateWarnings(classes),
  ];
}
