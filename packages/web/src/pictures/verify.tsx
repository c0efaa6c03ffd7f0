/** What a real vCPU showed, against the template or plan. */
import type { VerifyDocument } from "../read/schemas.ts";
import { few, plural, short } from "../view/text.ts";
import { Table } from "./parts.tsx";

const OWNERS: Readonly<Record<string, string>> = {
  absent: "absent: the microVM does not start",
  refused: "refused by KVM: the microVM does not start",
  firecracker: "Firecracker overwrites it",
  kvm: "KVM changes it",
  plan: "not as planned",
};

export function Verified({ verified }: { readonly verified: VerifyDocument }) {
  const { subject, node, registers, mismatches, firecracker } = verified;
  const good = mismatches.length === 0;
  return (
    <>
      <p>
        <span class={`badge ${good ? "compatible" : "incompatible"}`}>
          <span aria-hidden="true">{good ? "✓" : "✕"}</span> {good ? "as planned" : "mismatch"}
        </span>{" "}
        {short(subject, 80)} on {short(node, 60)}, Firecracker {few(firecracker, 16)}:{" "}
        {plural(registers, "register")} read back from a vCPU,{" "}
        {good ? "no differences" : plural(mismatches.length, "difference")}.
      </p>
      {!good && (
        <Table
          caption={`Mismatches on ${short(node, 60)}`}
          rows={mismatches}
          columns={[
            { title: "Cause", cell: ({ owner }) => OWNERS[owner] ?? short(owner, 40) },
            { title: "Address", cell: ({ address }) => <code>{short(address, 60)}</code> },
            { title: "Name", cell: ({ name }) => short(name, 40) },
            { title: "Expected", cell: ({ expected }) => short(expected ?? "", 40) },
            { title: "Actual", cell: ({ actual }) => short(actual ?? "", 40) },
            { title: "What it means", cell: ({ message }) => message },
          ]}
        />
      )}
    </>
  );
}
