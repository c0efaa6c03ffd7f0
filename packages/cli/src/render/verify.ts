/** What a verification found: by the component that caused it, then by address. */
import { formatLines, type Mismatch, type MismatchOwner } from "@evenkeel/core";
import { heading, paragraph, plural, table } from "./layout.ts";

/** A mismatch, with the release lines that it concerns. */
export interface Found extends Mismatch {
  readonly firecracker: readonly string[];
}

export interface Verified {
  readonly subject: string;
  readonly node: string;
  readonly class: string | undefined;
  readonly template: string | undefined;
  readonly firecracker: readonly string[];
  /** CPUID registers and MSRs that were read back. */
  readonly registers: number;
  readonly mismatches: readonly Found[];
}

const TITLES: Readonly<Record<MismatchOwner, string>> = {
  absent: "Absent: no microVM starts with this template on this machine",
  refused: "Refused by KVM: no microVM starts with this template on this machine",
  firecracker: "Firecracker's doing",
  kvm: "KVM's doing",
  plan: "Not as planned",
};

function ownerLines(owner: MismatchOwner, all: readonly Found[]): string[] {
  const own = all.filter((found) => found.owner === owner);
  if (own.length === 0) return [];
  const rows = own.map((f) => [
    f.address,
    f.name,
    f.expected ?? "",
    f.actual ?? "",
    formatLines(f.firecracker),
  ]);
  const messages = [...new Set(own.map(({ message }) => message))];
  return [
    "",
    heading(`${TITLES[owner]} (${own.length})`),
    ...messages.flatMap((message) => paragraph(message, 2)),
    ...(owner === "absent"
      ? []
      : table(["ADDRESS", "NAME", "EXPECTED", "READ BACK", "FIRECRACKER"], rows).map(
          (line) => `  ${line}`,
        )),
  ];
}

export function verifyReport(verified: Verified): string {
  const { subject, node, mismatches, firecracker, registers } = verified;
  const planned =
    verified.class === undefined
      ? []
      : paragraph(`Class ${verified.class}, template ${verified.template ?? ""}.`, 2);
  const result =
    mismatches.length === 0
      ? `Verified: ${registers} registers read back from a vCPU, no differences.`
      : `Differs from the prediction: ${plural(mismatches.length, "difference")} in ${registers} registers.`;
  return [
    heading(`${subject} on ${node}, as Firecracker ${formatLines(firecracker)} boots it`),
    ...planned,
    ...paragraph(result, 2),
    ...(Object.keys(TITLES) as MismatchOwner[]).flatMap((owner) => ownerLines(owner, mismatches)),
    "",
  ].join("\n");
}
