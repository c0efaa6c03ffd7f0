/**
 * Can a guest that was promised these registers run where those are offered? A resume is
 * KVM_SET_ONE_REG for every register of the snapshot: each must exist, and KVM must take its value.
 */
import { mask64, readField } from "../bits.ts";
import type { CpuContract } from "../contract/contract.ts";
import type { ArmRegister } from "../cpuid.ts";
import { hexNumber } from "../format/address.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { Finding } from "./finding.ts";
import { fieldAddress } from "../format/address.ts";
import { takesCaches } from "../profile/arm/caches.ts";
import { isDescribed, showsOwnRegisters } from "../profile/arm/facts.ts";
import type { RuleId } from "./rules.ts";
import type { ArmField, ArmMergeRule } from "../tables/field.ts";
import {
  armFields,
  armRegisterName,
  armReservedMask,
  describesCpu,
  isAlwaysThere,
  isCacheGeometry,
} from "../tables/arm/lookup.ts";
import { MIDR_EL1, MPIDR_EL1 } from "../tables/arm/others.ts";
import { takes, triedField, whyNotTaken, writerOf, type ArmWriter } from "../profile/arm/takes.ts";
import { honours } from "../tables/merge-rules.ts";
import { firstKernelThat, isWithin, kernelDoes } from "../tables/kernels.ts";

/** An aarch64 node made ready to be compared with many contracts. */
export interface ArmNode {
  readonly registers: ReadonlyMap<bigint, bigint>;
  readonly values: ReadonlyMap<Key, bigint>;
  readonly writer: ArmWriter;
}

const WORD = mask64(63, 0);

/** A number in place of KVM's ids, whose bits 47 to 32 are zero: looked up several times faster. */
type Key = number | bigint;

function keyOf(id: bigint): Key {
  const high = Number(id >> 32n);
  return high % 0x1_0000 === 0 ? (high / 0x1_0000) * 2 ** 32 + Number(id & 0xffff_ffffn) : id;
}

/** Of values that never change, what was made of them once. */
function remembered<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const made = make(key);
    known.set(key, made);
    return made;
  };
}

export const armNode = remembered(({ cpu, host, kvm }: NodeProfile): ArmNode => {
  const registers = cpu.registers.map(({ id, value }) => [id, value & WORD] as const);
  return {
    registers: new Map(registers),
    values: new Map(registers.map(([id, value]) => [keyOf(id), value])),
    writer: writerOf(host.kernel, kvm),
  };
});

interface PromisedRegister extends ArmRegister {
  readonly key: Key;
}

/** Sorted by id. */
const promisedOf = remembered((registers: readonly ArmRegister[]): readonly PromisedRegister[] =>
  registers
    .map(({ id, value }) => ({ id, value: value & WORD, key: keyOf(id) }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
);

type Found = Pick<Finding, "rule" | "severity" | "consequence">;

/** A move between two registers' values, and the node that it leads to. */
interface Move {
  readonly node: ArmNode;
  /** Whether the guest was told that it runs on this CPU model. */
  readonly sameModel: boolean;
}

const LOSS: Readonly<Record<ArmField["loss"], string>> = {
  fault: "a guest that relies on the field would fault",
  silent: "a guest that relies on the field would silently compute wrong results",
  insecure: "the guest leaves a mitigation off that this CPU needs",
  slower: "the guest would only be slower",
  none: "the guest would lose nothing",
};

/** What is free breaks nothing; where it did, it would be bits that must be the same. */
function ruleOf(merge: ArmMergeRule): RuleId {
  return merge === "free" ? "arm/equal" : (`arm/${merge}` as const);
}

/** KVM never takes more than it has; a trial may have shown that it does. */
function broken(field: ArmField, isTaken: boolean): Found {
  const rule = ruleOf(field.merge);
  const loss = LOSS[field.loss];
  if (!isTaken) {
    const consequence = `KVM refuses the register, so the snapshot does not load; if it did load, ${loss}.`;
    return { rule, severity: "incompatible", consequence };
  }
  const consequence = `KVM accepts the register, but ${loss}.`;
  if (field.loss === "insecure") return { rule, severity: "insecure", consequence };
  const harmless = field.loss === "slower" || field.loss === "none";
  return { rule, severity: harmless ? "note" : "incompatible", consequence };
}

/** A field that KVM showed by mistake once: it takes what the same hardware had shown. */
function isIgnored(field: ArmField, promised: bigint, { node, sameModel }: Move): boolean {
  const since = field.ignoredSince;
  if (since === undefined) return false;
  const { trial, release } = node.writer;
  if (trial !== undefined) {
    return triedField(node.writer, field)?.ignored.includes(promised) === true;
  }
  return sameModel && release !== undefined && isWithin({ since }, release);
}

function identity(field: ArmField, { writer }: ArmNode): Found[] {
  const since = firstKernelThat("takes-identity");
  const never =
    writer.trial !== undefined ||
    (writer.release !== undefined && !kernelDoes(writer.release, "takes-identity"));
  return [
    {
      rule: "arm/identity",
      severity: "note",
      consequence:
        "Programs and kernels that choose code by CPU model keep using the other model's.",
    },
    {
      rule: "arm/invariant",
      severity: never ? "incompatible" : "unknown",
      consequence:
        `KVM refuses another CPU's ${field.name}, so the snapshot does not load. From Linux ` +
        `${since} a VMM can enable this; Firecracker up to 1.16 does not.`,
    },
  ];
}

const UNRULED: Found = {
  rule: "arm/caches",
  severity: "unknown",
  consequence: "It is not known whether KVM accepts a different value of this register.",
};

function judgeField(field: ArmField, promised: bigint, offered: bigint, move: Move): Found[] {
  const { writer } = move.node;
  if (field.kind === "identity") return identity(field, move.node);
  if (field.merge === "free") return [UNRULED];
  const taken = takes(field, offered, promised, writer, "restore");
  if (isIgnored(field, promised, move)) {
    const consequence =
      "KVM accepts the old value and ignores it: it never gave guests the feature.";
    return [{ rule: `arm/${field.merge}`, severity: "note", consequence }];
  }
  if (!honours(offered, promised, field)) return [broken(field, taken === "yes")];
  if (taken === "yes") return [];
  const severity = taken === "no" ? "incompatible" : "unknown";
  const why = whyNotTaken(field, writer);
  const consequence = `A restore must write the guest's own value, and ${why}.`;
  return [{ rule: "arm/write", severity, consequence }];
}

function judgeFields({ id, value }: ArmRegister, offered: bigint, move: Move): Finding[] {
  return armFields(id).flatMap((field) => {
    const [promised, own] = [readField(value, field), readField(offered, field)];
    if (promised === own) return [];
    return judgeField(field, promised, own, move).map((found) => ({
      address: fieldAddress(field),
      name: field.name,
      promised: hexNumber(promised),
      offered: hexNumber(own),
      ...found,
    }));
  });
}

function wholeRegister(id: bigint, name: string, promised: bigint, offered?: bigint) {
  return {
    address: armRegisterName(id),
    name,
    promised: hexNumber(promised),
    offered: offered === undefined ? undefined : hexNumber(offered),
  };
}

/** Without a row there is no rule, so that nothing may differ there. */
function judgeReserved({ id, value }: ArmRegister, offered: bigint): Finding[] {
  const mask = armReservedMask(id);
  if (((value ^ offered) & mask) === 0n) return [];
  return [
    {
      rule: "arm/reserved",
      severity: "unknown",
      ...wholeRegister(id, "reserved", value & mask, offered & mask),
      consequence: "Bits of unknown meaning differ; KVM may refuse the register.",
    },
  ];
}

function judgeCaches({ id, value }: ArmRegister, offered: bigint, node: ArmNode): Finding[] {
  const taken = takesCaches(id, value, node.registers, node.writer);
  if (taken === "yes") return [];
  const since = firstKernelThat("makes-up-caches");
  const { release } = node.writer;
  const consequence =
    taken === "no"
      ? "KVM refuses this cache geometry, so the snapshot does not load."
      : `Linux accepts another host's cache geometry since ${since}` +
        (release === undefined
          ? ", but the host kernel is unknown."
          : `; the node runs ${release}, which may have the patches backported.`);
  return [
    {
      rule: "arm/caches",
      severity: taken === "no" ? "incompatible" : "unknown",
      ...wholeRegister(id, armFields(id)[0]?.name ?? "CCSIDR", value, offered),
      consequence,
    },
  ];
}

function missing({ id, value }: ArmRegister): Finding[] {
  if (isAlwaysThere(id)) return [];
  return [
    {
      rule: "arm/missing",
      severity: "incompatible",
      ...wholeRegister(id, armRegisterName(id), value),
      consequence: "KVM refuses a register it does not know: the snapshot does not load.",
    },
  ];
}

const NOTHING: readonly Finding[] = [];

function judgeRegister(register: PromisedRegister, move: Move): readonly Finding[] {
  const { id, key, value } = register;
  const offered = move.node.values.get(key);
  if (offered === value) return NOTHING;
  if (offered === undefined) return missing(register);
  if (id === MPIDR_EL1) return NOTHING;
  if (isCacheGeometry(id)) return judgeCaches(register, offered, move.node);
  // What is left of the others is a vCPU's state, which a restore sets as it was.
  if (!describesCpu(id)) return NOTHING;
  return [...judgeFields(register, offered, move), ...judgeReserved(register, offered)];
}

/**
 * A guest that read the CPU's own registers keeps what they said. The same CPU says the same; of
 * another kernel's nodes it is not known what the CPU itself has.
 */
function ownRegisters(node: ArmNode): Finding[] {
  if (!isDescribed(node.registers)) return [];
  return [
    {
      rule: "arm/missing",
      severity: "unknown",
      address: "",
      name: "ID registers",
      promised: undefined,
      offered: undefined,
      consequence: "The guest read the CPU's own ID registers, which were not recorded.",
    },
  ];
}

/** All findings, sorted by register; none: nothing that is known speaks against it. */
export function compareArm(
  { registers, kernel }: Pick<CpuContract, "registers" | "kernel">,
  profile: NodeProfile,
): Finding[] {
  const node = armNode(profile);
  const promised = promisedOf(registers);
  const midr = promised.find(({ id }) => id === MIDR_EL1)?.value;
  const move = { node, sameModel: midr !== undefined && midr === node.registers.get(MIDR_EL1) };
  const findings = showsOwnRegisters(kernel) ? ownRegisters(node) : [];
  for (const register of promised) findings.push(...judgeRegister(register, move));
  return findings;
}
