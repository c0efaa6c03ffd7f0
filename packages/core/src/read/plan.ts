/** Reading a plan back, as far as showing and comparing need it. */
import { compareEntries } from "../cpuid.ts";
import { readInteger, readU32 } from "../json/integer.ts";
import type { JsonObject } from "../json/problems.ts";
import {
  listOf,
  mapped,
  maybe,
  objectOf,
  oneOf,
  readBy,
  readWith,
  text,
  type Reader,
} from "../json/reader.ts";
import { PLAN_SCHEMA } from "../plan/file.ts";
import type { GuestCpu, GuestEntry, GuestRegister } from "../plan/guest-cpu.ts";
import type { PlanFile } from "../plan/plan-file.ts";
import { compareIds } from "../tables/registers.ts";
import { parseBitmap, parseBitmap32 } from "../template/bitmap.ts";
import { ACCEPTED } from "./plan-moves.ts";

const INTEGER = { type: "string", pattern: "^(0x[0-9a-fA-F]{1,32}|0b[01]{1,128})$" };
const BITMAP = { type: "string", pattern: "^(0b)?[01x_]+$" };

const u32 = readBy(INTEGER, readU32);
const u64 = readBy(INTEGER, (json, path, problems) => readInteger(json, 64, path, problems));
const bits32 = readBy(BITMAP, parseBitmap32);
const bits64 = readBy(BITMAP, (json, path, problems) => parseBitmap(json, 64, path, problems));

const ENTRY: Reader<GuestEntry> = mapped(
  objectOf({ leaf: u32, subleaf: u32, eax: bits32, ebx: bits32, ecx: bits32, edx: bits32 }),
  ({ leaf, subleaf, ...registers }) => ({ leaf, subleaf, registers }),
);

const MSR: Reader<GuestRegister> = mapped(
  objectOf({ addr: u32, bitmap: bits64 }),
  ({ addr, bitmap }) => ({ id: addr, ...bitmap }),
);

const REGISTER: Reader<GuestRegister> = mapped(
  objectOf({ id: u64, bitmap: bits64 }),
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

/** Reads a plan's JSON; throws BAD_FIELD with everything that is wrong. */
export function readPlan(json: JsonObject): PlanFile {
  return readWith(json["arch"] === "aarch64" ? ARM_PLAN : X86_PLAN, json, "BAD_FIELD");
}
