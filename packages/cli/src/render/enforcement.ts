/** Whether a node does what CPU templates say, and what it answered instead. */
import { changedFields, type NodeProfile } from "@evenkeel/core";
import { featureLines } from "./features.ts";
import { heading, paragraph } from "./layout.ts";

/** Empty where nobody tried. */
export function enforcementLines(profile: NodeProfile): string[] {
  const enforcement = profile.kvm?.enforcement;
  if (enforcement === undefined) return [];
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
