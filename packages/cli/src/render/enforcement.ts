/** Whether a node enforces CPU templates, and what it returned instead. */
import { changedFields, type NodeProfile } from "@evenkeel/core";
import { featureLines } from "./features.ts";
import { heading, paragraph, plural } from "./layout.ts";

/** aarch64: templates can change what KVM lets be written, and no more. */
function writableLines({ kvm }: NodeProfile): string[] {
  const taken = kvm?.takenFields?.filter(({ values }) => values.length > 0);
  if (taken === undefined) return [];
  const registers = new Set(taken.map(({ id }) => id)).size;
  const what =
    taken.length === 0
      ? "KVM accepted no other value for any ID register field: templates have no effect here, " +
        "and a snapshot resumes only if every ID register is the same."
      : `KVM accepted other values for ${plural(taken.length, "field")} of ${plural(registers, "register")} ` +
        "on a vCPU; all other fields must be the same on a node where a snapshot resumes.";
  return ["", heading("ID registers"), ...paragraph(what, 2)];
}

/** Empty if it was not tested. */
export function enforcementLines(profile: NodeProfile): string[] {
  const enforcement = profile.kvm?.enforcement;
  if (enforcement === undefined) return writableLines(profile);
  if (enforcement.enforced) {
    return [
      "",
      heading("CPU templates: enforced"),
      ...paragraph(
        "Every feature was hidden from a vCPU and stayed hidden when it was read back.",
        2,
      ),
    ];
  }
  const changed = changedFields(profile);
  const lost = changed.filter(({ shown }) => !shown).map(({ name }) => name);
  return [
    "",
    heading("CPU templates: NOT enforced"),
    ...paragraph(
      "KVM accepted a CPUID with every feature hidden, but the vCPU still saw the hardware's own: " +
        "guests see these whatever a template says. No snapshot can safely move from or to this node, " +
        "and plans refuse this node.",
      2,
    ),
    ...featureLines(
      changed.filter(({ shown }) => shown),
      2,
    ),
    ...(lost.length === 0
      ? []
      : paragraph(
          `It also hides vulnerability bits that it was told to show: ${lost.join(", ")}.`,
          2,
        )),
  ];
}
