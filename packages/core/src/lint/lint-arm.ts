/** Linting a template on an aarch64 node: registers it lacks, fields it cannot back. */
import { armAddress } from "../arm/address.ts";
import type { ArmField } from "../arm/field.ts";
import { armFields, armRegisterName, describesCpu } from "../arm/lookup.ts";
import { armValue, honours } from "../arm/value.ts";
import { applyWideBitmap } from "../template/bitmap.ts";
import type { ArmRegisterModifier, CpuTemplate } from "../template/template.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { hexNumber } from "../format/address.ts";
import type { LintFinding } from "./finding.ts";

function lintField(field: ArmField, path: string, own: bigint, shown: bigint): LintFinding[] {
  if (own === shown || honours(own, shown, field)) return [];
  const values = `${hexNumber(shown)} where the node has ${hexNumber(own)}`;
  const isIdentity = field.kind === "identity";
  return [
    {
      rule: isIdentity ? "identity" : "unbacked",
      severity: "error",
      path,
      address: armAddress(field),
      name: field.name,
      message: `${field.name} (${field.title}) becomes ${values}; KVM refuses the register.`,
      fix: isIdentity ? "Leave the model as it is." : "Write no more than the node has.",
    },
  ];
}

function lintRegister(
  modifier: ArmRegisterModifier,
  path: string,
  own: bigint | undefined,
): LintFinding[] {
  const { addr } = modifier;
  const name = armRegisterName(addr);
  if (own === undefined) {
    return [
      {
        rule: "missing-entry",
        severity: "error",
        path,
        address: name,
        name,
        message: `${name} is not a register of this node's KVM: no microVM starts.`,
        fix: "Leave this register out of the template for this class of nodes.",
      },
    ];
  }
  if (!describesCpu(addr)) {
    return [
      {
        rule: "overwritten",
        severity: "warning",
        path,
        address: name,
        name,
        message: `${name} is a vCPU's state: the guest's kernel sets it itself.`,
        fix: "Leave this register out of the template.",
      },
    ];
  }
  const word = applyWideBitmap(own, modifier);
  return armFields(addr).flatMap((field) =>
    lintField(field, path, armValue(own, field), armValue(word, field)),
  );
}

export function lintArmTemplate(template: CpuTemplate, { cpu }: NodeProfile): LintFinding[] {
  const registers = new Map(cpu.registers.map(({ id, value }) => [id, value]));
  const foreign = template.cpuidModifiers.length + template.msrModifiers.length;
  const x86: LintFinding[] =
    foreign === 0
      ? []
      : [
          {
            rule: "missing-entry",
            severity: "error",
            path: template.cpuidModifiers.length > 0 ? "cpuid_modifiers" : "msr_modifiers",
            address: "",
            name: "",
            message: "This is a template for x86; Firecracker on aarch64 refuses it.",
            fix: "Use a template with reg_modifiers.",
          },
        ];
  return [
    ...x86,
    ...template.regModifiers.flatMap((modifier, i) =>
      lintRegister(modifier, `reg_modifiers[${i}]`, registers.get(modifier.addr)),
    ),
  ];
}
