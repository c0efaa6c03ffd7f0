/** Reading a plan back, as far as showing and comparing need it. */
import { compareEntries } from "../cpuid.ts";
import { u32, u64 } from "../json/integer.ts";
import type { JsonObject } from "../json/problems.ts";
import {
  listOf,
  mapped,
  maybe,
  objectOf,
  oneOf,
  readWith,
  text,
  type Reader,
} from "../json/reader.ts";
import { PLAN_SCHEMA } from "../plan/file.ts";
import type { GuestCpu, GuestEntry, GuestRegister } from "../plan/guest-cpu.ts";
import type { Accepted } from "../plan/accepted.ts";
import type { PlanFile } from "../plan/find-class.ts";
import { compareIds } from "../tables/registers.ts";
import { bitmap32, bitmap64 } from "../template/bitmap.ts";
import type { WhyNot } from "../verdict/reasons.ts";
import { RULES, type RuleId } from "../verdict/rules.ts";

function isRule(rule: string): rule is RuleId {
  return Object.hasOwn(RULES, rule);
}

/** Nothing worse can be accepted. */
const ACCEPTABLE = oneOf("unknown", "insecure");

const REASON = objectOf({
  rule: text,
  severity: ACCEPTABLE,
  findings: listOf(objectOf({ address: text, name: text, consequence: text })),
  moves: listOf(objectOf({ from: listOf(text), to: listOf(text) })),
});

/** What a rule of another release of this program is about was not accepted. */
const REASONS: Reader<WhyNot[]> = mapped(listOf(REASON), (reasons) =>
  reasons.flatMap((reason) => (isRule(reason.rule) ? [{ ...reason, rule: reason.rule }] : [])),
);

/** `moves.accepted` of a plan; plans that were made before there was such a thing have none. */
const ACCEPTED: Reader<Accepted | undefined> = mapped(
  maybe(objectOf({ accepted: maybe(objectOf({ verdict: ACCEPTABLE, reasons: REASONS })) })),
  (moves) => moves?.accepted,
);

const ENTRY: Reader<GuestEntry> = mapped(
  objectOf({ leaf: u32, subleaf: u32, eax: bitmap32, ebx: bitmap32, ecx: bitmap32, edx: bitmap32 }),
  ({ leaf, subleaf, ...registers }) => ({ leaf, subleaf, registers }),
);

const MSR: Reader<GuestRegister> = mapped(
  objectOf({ addr: u32, bitmap: bitmap64 }),
  ({ addr, bitmap }) => ({ id: addr, ...bitmap }),
);

const REGISTER: Reader<GuestRegister> = mapped(
  objectOf({ id: u64, bitmap: bitmap64 }),
  ({ id, bitmap }) => ({ id, ...bitmap }),
);

const CLASS = objectOf({
  id: text,
  nodes: listOf(text),
  template: text,
  givesUp: mapped(maybe(listOf(objectOf({ name: text }))), (fields) =>
    fields?.map(({ name }) => name),
  ),
});

const COMMON = {
  schema: oneOf(PLAN_SCHEMA),
  firecracker: listOf(text),
  classes: listOf(CLASS),
  moves: ACCEPTED,
};

const X86_GUEST: Reader<GuestCpu> = mapped(
  objectOf({ features: listOf(text), cpuid: listOf(ENTRY), msrs: listOf(MSR) }),
  ({ features, cpuid, msrs }) => ({
    features,
    cpuid: cpuid.toSorted(compareEntries),
    registers: msrs,
  }),
);

const ARM_GUEST: Reader<GuestCpu> = mapped(
  objectOf({ features: listOf(text), registers: listOf(REGISTER) }),
  ({ features, registers }) => ({
    features,
    cpuid: [],
    registers: registers.toSorted((a, b) => compareIds(a.id, b.id)),
  }),
);

export const X86_PLAN: Reader<PlanFile> = mapped(
  objectOf({ ...COMMON, vendor: oneOf("intel", "amd"), guestCpu: X86_GUEST }),
  ({ vendor, firecracker, classes, moves, guestCpu }) => ({
    type: vendor,
    firecracker,
    classes,
    accepted: moves,
    guest: guestCpu,
  }),
);

export const ARM_PLAN: Reader<PlanFile> = mapped(
  objectOf({ ...COMMON, arch: oneOf("aarch64"), guestCpu: ARM_GUEST }),
  ({ firecracker, classes, moves, guestCpu }) => ({
    type: "aarch64",
    firecracker,
    classes,
    accepted: moves,
    guest: guestCpu,
  }),
);

export function readPlan(json: JsonObject): PlanFile {
  return readWith(json["arch"] === "aarch64" ? ARM_PLAN : X86_PLAN, json, "BAD_FIELD");
}
