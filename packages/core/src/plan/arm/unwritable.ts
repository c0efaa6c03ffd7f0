/** What a plan's templates write that a node's KVM refuses, or may refuse. */
import { groupBy } from "../../group.ts";
import { writersOf } from "../../profile/arm/takes.ts";
import { listOf } from "../../format/text.ts";
import { refusal, someOf, type Refusal } from "../refuse.ts";
import type { ArmField } from "../../tables/field.ts";
import type { Emitted } from "../prove.ts";
import { doubtfulFields, writtenFields, type Doubtful } from "../../profile/arm/written.ts";

interface DoubtfulOf extends Doubtful {
  readonly class: string;
  readonly nodes: readonly string[];
}

function doubtfulOf({ nodeClass: { id, profiles, cpu }, template }: Emitted): DoubtfulOf[] {
  return writersOf(profiles).flatMap(({ writer, nodes }) => {
    const written = writtenFields(cpu.registers, template, writer);
    return doubtfulFields(written, writer).map((one) => ({ class: id, nodes, ...one }));
  });
}

/** `SHA2 and RNDR (ID_AA64ISAR0_EL1)` per register; AArch32's many together. */
function namesOf(fields: readonly ArmField[]): string {
  const registers = groupBy(fields, ({ register }) =>
    register.startsWith("ID_AA64") || register === "CTR_EL0" ? register : "AArch32",
  );
  return [...registers]
    .map(([register, own]) =>
      register === "AArch32"
        ? `${own.length} fields of the AArch32 ID registers`
        : `${listOf(own.map(({ name }) => name))} (${register})`,
    )
    .join(", ");
}

const HINT =
  "Plan these nodes as a pool of their own, or leave out the nodes that lack the feature: guests there " +
  "see every field that KVM does not let a template write.";

/** Nodes that cannot show the planned guest: InstanceStart would fail there. */
export function refuseUnwritable(emitted: readonly Emitted[]): Refusal[] {
  return emitted
    .flatMap(doubtfulOf)
    .filter(({ answer }) => answer === "no")
    .map(({ nodes, class: id, fields, why }) => {
      const message = `${someOf(nodes)} (${id}) cannot hide ${namesOf(fields)}: ${why}`;
      return refusal("unwritable", message, HINT, nodes);
    });
}

/** Where neither a trial nor the kernel's release decides. */
export function unwritableWarnings(emitted: readonly Emitted[]): string[] {
  return emitted
    .flatMap(doubtfulOf)
    .filter(({ answer }) => answer === "unknown")
    .map(
      ({ class: id, nodes, fields, why }) =>
        `${id} (${someOf(nodes)}): it is not known whether its KVM lets a template write ` +
        `${namesOf(fields)} (${why}). If KVM refuses, InstanceStart fails. Run evenkeel probe on ` +
        "the node to find out.",
    );
}
