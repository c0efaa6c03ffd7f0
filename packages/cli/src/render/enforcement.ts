/** Whether a node does what CPU templates say, and what it answered instead. */
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
      ? "KVM took no other value for any field of an ID register: templates change nothing here, " +
        "and a snapshot resumes only where every ID register is the same."
      : `KVM took other values for ${plural(taken.length, "field")} of ${plural(registers, "register")} ` +
        "on a vCPU; the other fields have to be the same where a snapshot resumes.";
  return ["", heading("ID registers"), ...paragraph(what, 2)];
}

/** Empty where nobody tried. */
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
      "KVM took a CPUID in which every feature was hidden, and gave the vCPU the hardware's own: " +
        "guests see these whatever a template says. No snapshot may come from here or go here, " +
        "and plans refuse this node.",
      2,
    ),
    ...featureLines(
      changed.filter(({ shown }) => shown),
      2,
    ),
    ...(lost.length === 0
      ? []
      : paragraph(`It also hides weaknesses that it was told to announce: ${lost.join(", ")}.`, 2)),
  ];
}
