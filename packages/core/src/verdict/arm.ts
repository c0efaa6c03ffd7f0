/**
 * Can a guest that was promised these registers run where those are offered? A resume is
 * KVM_SET_ONE_REG for every register of the snapshot: each must exist, and KVM must take its value.
 */
import { mask64 } from "../bits.ts";
import type { CpuContract } from "../contract/contract.ts";
import type { ArmRegister } from "../cpuid.ts";
import { fieldAddress, hexNumber } from "../format/address.ts";
import { takesCaches } from "../profile/arm/caches.ts";
import { isDescribed, showsOwnRegisters } from "../profile/arm/facts.ts";
import { triedField, whyNotTaken, writerOf, type ArmWriter } from "../profile/arm/takes.ts";
import { changedFields, type ChangedField } from "../profile/arm/written.ts";
import type { NodeProfile } from "../profile/profile.ts";
import {
  armFields,
  armRegisterName,
  armReservedMask,
  describesCpu,
  isAlwaysThere,
  isCacheGeometry,
} from "../tables/arm/lookup.ts";
import { MIDR_EL1, MPIDR_EL1 } from "../tables/arm/others.ts";
import type { ArmField } from "../tables/field.ts";
import { firstKernelThat, isWithin, kernelDoes } from "../tables/kernels.ts";
import { finding, type Finding, type Severity } from "./finding.ts";
import type { RuleId } from "./rules.ts";

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

function remembered<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, { readonly made: V }>();
  return (key) => {
    const { made } = known.get(key) ?? { made: make(key) };
    known.set(key, { made });
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

const promisedOf = remembered((registers: readonly ArmRegister[]) =>
  registers
    .map(({ id, value }) => ({ id, value: value & WORD, key: keyOf(id) }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
);

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

/** KVM never takes more than it has; where a trial showed that it does, the loss decides. */
function severityOf(loss: ArmField["loss"]): Severity {
  if (loss === "insecure") return "insecure";
  return loss === "slower" || loss === "none" ? "note" : "incompatible";
}

/** A field that KVM showed by mistake once: it takes what the same hardware had shown. */
function isIgnored({ field, wanted }: ChangedField, { node, sameModel }: Move): boolean {
  const since = field.ignoredSince;
  if (since === undefined) return false;
  const { trial, release } = node.writer;
  if (trial !== undefined) return triedField(node.writer, field)?.ignored.includes(wanted) === true;
  return sameModel && release !== undefined && isWithin({ since }, release);
}

/** Whether the node's KVM is known to take no other CPU's identity. */
function keepsIdentity({ trial, release }: ArmWriter): boolean {
  return trial !== undefined || (release !== undefined && !kernelDoes(release, "takes-identity"));
}

function judgeField(changed: ChangedField, move: Move): Finding[] {
  const { field, own, wanted, isBacked, answer } = changed;
  const { writer } = move.node;
  const say = (rule: RuleId, severity: Severity, consequence: string) => {
    const values = { promised: hexNumber(wanted), offered: hexNumber(own) };
    const place = { ...values, address: fieldAddress(field) };
    return finding(rule, severity, field.name, place, consequence);
  };
  if (field.kind === "identity") {
    const since = firstKernelThat("takes-identity");
    const refused =
      `KVM refuses another CPU's ${field.name}, so the snapshot does not load. From Linux ` +
      `${since} a VMM can enable this; Firecracker up to 1.16 does not.`;
    const code = "Programs and kernels that choose code by CPU model keep using the other model's.";
    return [
      say("arm/identity", "note", code),
      say("arm/invariant", keepsIdentity(writer) ? "incompatible" : "unknown", refused),
    ];
  }
  if (field.merge === "free") {
    const text = "It is not known whether KVM accepts a different value of this register.";
    return [say("arm/caches", "unknown", text)];
  }
  const rule = `arm/${field.merge}` as const;
  if (isIgnored(changed, move)) {
    const text = "KVM accepts the old value and ignores it: guests never had the feature.";
    return [say(rule, "note", text)];
  }
  const loss = LOSS[field.loss];
  if (!isBacked && answer === "yes") {
    return [say(rule, severityOf(field.loss), `KVM accepts the value, but ${loss}.`)];
  }
  if (!isBacked) {
    const text = `KVM refuses the value, so the snapshot does not load; if it did, ${loss}.`;
    return [say(rule, "incompatible", text)];
  }
  if (answer === "yes") return [];
  const text = `A restore must write the guest's own value, and ${whyNotTaken(field, writer)}.`;
  return [say("arm/write", answer === "no" ? "incompatible" : "unknown", text)];
}

function wholeRegister(
  rule: RuleId,
  severity: Severity,
  { id, name = armRegisterName(id) }: { readonly id: bigint; readonly name?: string },
  promised: bigint,
  offered: bigint | undefined,
  text: string,
): Finding {
  const there = offered === undefined ? undefined : hexNumber(offered);
  const values = { address: armRegisterName(id), promised: hexNumber(promised), offered: there };
  return finding(rule, severity, name, values, text);
}

/** Without a row there is no rule, so that nothing may differ there. */
function judgeReserved({ id, value }: ArmRegister, offered: bigint): Finding[] {
  const mask = armReservedMask(id);
  const [from, to] = [value & mask, offered & mask];
  if (from === to) return [];
  const text = "Bits of unknown meaning differ; KVM may refuse the value.";
  return [wholeRegister("arm/reserved", "unknown", { id, name: "reserved" }, from, to, text)];
}

function judgeCaches({ id, value }: ArmRegister, offered: bigint, node: ArmNode): Finding[] {
  const taken = takesCaches(id, value, node.registers, node.writer);
  if (taken === "yes") return [];
  const place = { id, name: armFields(id)[0]?.name ?? "CCSIDR" };
  if (taken === "no") {
    const text = "KVM refuses this cache geometry, so the snapshot does not load.";
    return [wholeRegister("arm/caches", "incompatible", place, value, offered, text)];
  }
  const { release } = node.writer;
  const text =
    `Linux accepts another host's cache geometry since ${firstKernelThat("makes-up-caches")}` +
    (release === undefined
      ? ", but the host kernel is unknown."
      : `; the node runs ${release}, which may have the patches backported.`);
  return [wholeRegister("arm/caches", "unknown", place, value, offered, text)];
}

function missing({ id, value }: ArmRegister): Finding[] {
  if (isAlwaysThere(id)) return [];
  const text = "KVM does not have this register and refuses it, so the snapshot does not load.";
  return [wholeRegister("arm/missing", "incompatible", { id }, value, undefined, text)];
}

const NOTHING: readonly Finding[] = [];

function judgeRegister(
  register: ArmRegister & { readonly key: Key },
  move: Move,
): readonly Finding[] {
  const { id, key, value } = register;
  const { values, writer } = move.node;
  const offered = values.get(key);
  if (offered === value) return NOTHING;
  if (offered === undefined) return missing(register);
  if (id === MPIDR_EL1) return NOTHING;
  if (isCacheGeometry(id)) return judgeCaches(register, offered, move.node);
  // What is left of the others is a vCPU's state, which a restore sets as it was.
  if (!describesCpu(id)) return NOTHING;
  const changed = changedFields({ id, value: offered }, value, writer, "restore");
  return [...changed.flatMap((one) => judgeField(one, move)), ...judgeReserved(register, offered)];
}

/** A guest of an old kernel read the CPU's own registers, which newer nodes do not show. */
function ownRegisters(node: ArmNode): Finding[] {
  if (!isDescribed(node.registers)) return [];
  const text = "The guest read the CPU's own ID registers, which were not recorded.";
  return [finding("arm/missing", "unknown", "ID registers", {}, text)];
}

/** All findings, sorted by register; none if no known rule is violated. */
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
