/** evenkeel's own profile format, `evenkeel/node-profile@1` (docs/formats.md). */
import { compareEntries, keyOf } from "../cpuid.ts";
import { u128, u32, u64 } from "../json/integer.ts";
import type { JsonObject } from "../json/problems.ts";
import {
  flag,
  listOf,
  mapped,
  maybe,
  number,
  objectOf,
  oneOf,
  orElse,
  present,
  readWith,
  strictObjectOf,
  text,
  uniqueListOf,
  type Reader,
} from "../json/reader.ts";
import {
  PROFILE_SCHEMA,
  type HostFacts,
  type NodeProfile,
  type OfferedCpu,
  type TscFacts,
} from "../profile/profile.ts";
import { KVM_FACTS } from "./kvm-facts.ts";

const ENTRY = strictObjectOf({
  leaf: u32,
  subleaf: orElse(u32, 0),
  flags: orElse(number("a number", { least: 0 }), 0),
  eax: u32,
  ebx: u32,
  ecx: u32,
  edx: u32,
});

/** The words of a CPU, as profiles and contracts write them. */
export const WORDS = {
  cpuid: mapped(uniqueListOf(ENTRY, keyOf), (entries) => entries.toSorted(compareEntries)),
  msrs: mapped(
    uniqueListOf(strictObjectOf({ addr: u32, value: u64 }), ({ addr }) => addr),
    (msrs) => msrs.toSorted((a, b) => a.addr - b.addr),
  ),
  registers: uniqueListOf(objectOf({ id: u64, value: u128 }), ({ id }) => id),
};

export const ARCH = oneOf("x86_64", "aarch64");

const CPU = { arch: ARCH, view: oneOf("guest", "kvm"), ...WORDS };

const HOST: Reader<HostFacts> = mapped(
  strictObjectOf({
    kernel: maybe(text),
    microcode: maybe(text),
    biosVersion: maybe(text),
    biosRevision: maybe(text),
    cpuModel: maybe(text),
    bootId: maybe(text),
    smt: maybe(text),
    hypervisor: maybe(text),
  }),
  present,
);

const TSC: Reader<TscFacts> = mapped(
  strictObjectOf({
    khz: number("kHz, a number", { least: 1, whole: false }),
    scaling: maybe(flag),
  }),
  present,
);

const NAME = mapped(text, (name, problems) => {
  if (name === "") problems.add("is empty");
  return name;
});

const HEADER = {
  schema: oneOf(PROFILE_SCHEMA),
  name: maybe(NAME),
  provenance: maybe(text),
  host: orElse(HOST, {}),
  firecracker: listOf(text),
  tsc: maybe(TSC),
  kvm: maybe(KVM_FACTS),
  notes: listOf(text),
  incomplete: listOf(text),
  estimate: orElse(flag, false),
};

/** For its schema; a profile's two parts are read apart (header.ts). */
export const PROFILE = strictObjectOf({ ...HEADER, ...CPU });

const CPU_PART = objectOf(CPU);
const HEADER_PART = strictObjectOf(HEADER, Object.keys({ ...HEADER, ...CPU }));

export function readProfileCpu(json: JsonObject): OfferedCpu {
  return readWith(CPU_PART, json, "BAD_FIELD");
}

/** Everything of a profile but its CPU. `fallbackName` serves where it has no name. */
export function readProfileHeader(
  json: JsonObject,
  fallbackName: string,
): Omit<NodeProfile, "cpu"> {
  const {
    schema: _schema,
    name,
    provenance,
    notes,
    ...facts
  } = readWith(HEADER_PART, json, "BAD_FIELD");
  const shown = notes.length === 0 ? {} : { notes };
  return { name: name ?? fallbackName, provenance, ...present(facts), ...shown };
}
