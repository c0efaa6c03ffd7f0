/**
 * May a guest that was promised these registers run where those are offered? Each field is held
 * to KVM's own rule for writing it, because that is what a resume does: KVM_SET_ONE_REG for every
 * register of the snapshot.
 */
import { mask64 } from "../bits.ts";
import type { ArmRegister } from "../cpuid.ts";
import { hexNumber } from "../format/address.ts";
import type { Finding } from "../verdict/finding.ts";
import { armAddress } from "./address.ts";
import type { ArmField } from "./field.ts";
import {
  armFields,
  armRegisterName,
  armReservedMask,
  describesCpu,
  isCacheGeometry,
} from "./lookup.ts";
import { armValue, honours } from "./value.ts";

type Verdict = Pick<Finding, "severity" | "consequence">;

const BY_LOSS: Readonly<Record<ArmField["loss"], Verdict>> = {
  fault: {
    severity: "incompatible",
    consequence: "KVM refuses the register; a guest that relies on the field would fault.",
  },
  silent: {
    severity: "incompatible",
    consequence:
      "KVM refuses the register; a guest that relies on the field would go wrong silently.",
  },
  insecure: {
    severity: "insecure",
    consequence: "The guest leaves a mitigation off that this CPU needs.",
  },
  slower: { severity: "note", consequence: "Nothing but speed is lost." },
  none: { severity: "note", consequence: "Nothing is lost." },
};

const INVARIANT =
  "KVM before 6.15, and later unless KVM_CAP_ARM_WRITABLE_IMP_ID_REGS is enabled, refuses to " +
  "restore another CPU's";
const CACHES = "KVM before 6.3 refuses to restore another host's cache geometry.";

function compareField(field: ArmField, promised: bigint, offered: bigint): Finding[] {
  if (honours(offered, promised, field)) return [];
  const found = (rule: string, verdict: Verdict): Finding => ({
    rule,
    address: armAddress(field),
    name: field.name,
    promised: hexNumber(promised),
    offered: hexNumber(offered),
    ...verdict,
  });
  if (field.kind === "identity") {
    const consequence = "Programs and kernels that choose by CPU model keep to the other one.";
    return [
      found("arm/identity", { severity: "note", consequence }),
      found("arm/invariant", { severity: "unknown", consequence: `${INVARIANT} ${field.name}.` }),
    ];
  }
  if (field.name === "MPIDR") return [];
  if (field.kind === "topology") {
    return [found("arm/caches", { severity: "unknown", consequence: CACHES })];
  }
  return [found(`arm/${field.merge}`, BY_LOSS[field.loss])];
}

/** Without a row there is no rule, so that nothing may be promised there. */
function compareReserved(id: bigint, promised: bigint, offered: bigint): Finding[] {
  const mask = armReservedMask(id);
  const lost = promised & mask;
  if (lost === 0n) return [];
  return [
    {
      rule: "arm/reserved",
      severity: "unknown",
      address: armRegisterName(id),
      name: "reserved",
      promised: hexNumber(lost),
      offered: hexNumber(offered & mask),
      consequence: "The guest was promised bits whose meaning is not known.",
    },
  ];
}

function missing({ id, value }: ArmRegister): Finding {
  const described = describesCpu(id) && value !== 0n;
  return {
    rule: "arm/missing",
    severity: described ? "incompatible" : "unknown",
    address: armRegisterName(id),
    name: armRegisterName(id),
    promised: hexNumber(value),
    offered: undefined,
    consequence: "KVM refuses a register it does not know: the snapshot does not load.",
  };
}

function compareRegister({ id, value }: ArmRegister, offered: bigint): Finding[] {
  if (isCacheGeometry(id) && armFields(id).length === 0) return compareCaches(id, value, offered);
  if (!describesCpu(id)) return [];
  const fields = armFields(id).flatMap((field) =>
    compareField(field, armValue(value, field), armValue(offered, field)),
  );
  return [...fields, ...compareReserved(id, value, offered)];
}

function compareCaches(id: bigint, promised: bigint, offered: bigint): Finding[] {
  if (promised === offered) return [];
  const text = { promised: hexNumber(promised), offered: hexNumber(offered) };
  const address = armRegisterName(id);
  return [
    {
      rule: "arm/caches",
      severity: "unknown",
      address,
      name: "CCSIDR",
      ...text,
      consequence: CACHES,
    },
  ];
}

const WORD = mask64(63, 0);

/** All findings, sorted by register; none: nothing that is known speaks against it. */
export function compareArm(
  promised: readonly ArmRegister[],
  offered: readonly ArmRegister[],
): Finding[] {
  const there = new Map(offered.map(({ id, value }) => [id, value & WORD]));
  return promised
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap((register) => {
      const value = there.get(register.id);
      if (value === undefined) return [missing(register)];
      return compareRegister({ ...register, value: register.value & WORD }, value);
    });
}
