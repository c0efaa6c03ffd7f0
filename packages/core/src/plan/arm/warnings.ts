/** Obstacles to the use of an aarch64 plan that no template can remove. */
import { listOf } from "../../format/text.ts";
import { writersOf } from "../../profile/arm/takes.ts";
import type { NodeClass } from "../../profile/class.ts";
import {
  armRegisterBytes,
  armRegisterName,
  armReservedMask,
  isCacheGeometry,
} from "../../tables/arm/lookup.ts";
import { MIDR_EL1 } from "../../tables/arm/others.ts";
import { firstKernelThat, kernelDoes } from "../../tables/kernels.ts";
import type { Emitted } from "../prove.ts";
import { estimateWarnings, kernelWarnings } from "../warnings.ts";
import { allRegisters, partialRegisters, someRegisters, wordsOf } from "./residuals.ts";
import { unwritableWarnings } from "./unwritable.ts";

/** Bits without a row: nothing says that KVM lets a template clear them. */
function reservedWrites({ nodeClass, template }: Emitted): string[] {
  const names = template.regModifiers
    .filter(({ addr, mask }) => (mask & armReservedMask(addr)) !== 0n)
    .map(({ addr }) => armRegisterName(addr));
  if (names.length === 0) return [];
  return [
    `${nodeClass.id}: its template clears bits of unknown meaning in ${listOf(names)}; KVM may ` +
      "refuse that, and then InstanceStart fails.",
  ];
}

type Words = ReturnType<typeof wordsOf>;

function differ(words: readonly Words[], id: bigint): boolean {
  return new Set(words.map((own) => own.get(id))).size > 1;
}

function identityWarnings(words: readonly Words[]): string[] {
  if (!differ(words, MIDR_EL1)) return [];
  return [
    "MIDR_EL1 differs between classes, and no template changes it: programs that choose code by " +
      "CPU model (JITs, OpenSSL, BLAS) and kernel errata workarounds stay with the CPU they started on. KVM " +
      "refuses to restore another CPU's MIDR_EL1, before Linux 6.15 always, and later unless the " +
      "VMM enables KVM_CAP_ARM_WRITABLE_IMP_ID_REGS, which Firecracker up to 1.16 does not: no " +
      "snapshot moves between these classes.",
  ];
}

/** Before 6.3 KVM shows the caches of the host and refuses to restore those of another. */
function cacheWarnings(words: readonly Words[], classes: readonly NodeClass[]): string[] {
  const different = allRegisters(words).filter((id) => isCacheGeometry(id) && differ(words, id));
  const takesOthers = classes.every(({ profiles }) =>
    writersOf(profiles).every(({ writer: { trial, release } }) =>
      trial === undefined
        ? release !== undefined && kernelDoes(release, "makes-up-caches")
        : different.every((id) => trial.has(`${id.toString(16)}:63:0`)),
    ),
  );
  if (different.length === 0 || takesOthers) return [];
  return [
    `Cache geometry (CLIDR_EL1, CCSIDR_EL1) differs between classes. KVM before ` +
      `${firstKernelThat("makes-up-caches")} refuses to restore another host's, so a resume from one class ` +
      "on another may fail there.",
  ];
}

function presenceWarnings(words: readonly Words[], classes: readonly NodeClass[]): string[] {
  return partialRegisters(words).map(({ ids, present }) => {
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
function widthWarnings(words: readonly Words[]): string[] {
  const wide = allRegisters(words).filter((id) => armRegisterBytes(id) > WIDEST);
  if (wide.length === 0) return [];
  return [
    `Templates cannot change these registers, because they are wider than 128 bits: ${someRegisters(wide)}.`,
  ];
}

export function armWarnings(emitted: readonly Emitted[]): string[] {
  const classes = emitted.map(({ nodeClass }) => nodeClass);
  const words = classes.map(({ cpu }) => wordsOf(cpu));
  return [
    ...unwritableWarnings(emitted),
    ...emitted.flatMap(reservedWrites),
    ...identityWarnings(words),
    ...cacheWarnings(words, classes),
    ...presenceWarnings(words, classes),
    ...widthWarnings(words),
    ...kernelWarnings(classes),
    ...estimateWarnings(classes),
  ];
}
