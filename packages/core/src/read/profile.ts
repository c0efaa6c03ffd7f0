/** evenkeel's own profile format, `evenkeel/node-profile@1` (docs/formats.md). */
import { compareEntries, keyOf, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import type { Arch } from "../cpuid.ts";
import type { HostFacts, NodeProfile, OfferedCpu, TscFacts, View } from "../profile/profile.ts";
import { readKvmFacts } from "./kvm-facts.ts";
import { readInteger, readU32 } from "../json/integer.ts";
import { flagAt, objectOf, objectsAt, optionalString, stringsAt } from "../json/members.ts";
import { checkKeys, isObject, kindOf, Problems, type JsonObject } from "../json/problems.ts";

const HOST_KEYS = [
  "kernel",
  "microcode",
  "biosVersion",
  "biosRevision",
  "cpuModel",
  "bootId",
  "smt",
  "hypervisor",
] as const;
const KEYS = [
  "schema",
  "name",
  "provenance",
  "host",
  "firecracker",
  "tsc",
  "kvm",
  "notes",
  "incomplete",
  "estimate",
  "arch",
  "view",
  "cpuid",
  "msrs",
  "registers",
];

function readTsc(json: JsonObject, problems: Problems): TscFacts | undefined {
  const tsc = json["tsc"];
  if (tsc === undefined) return undefined;
  if (!isObject(tsc)) {
    problems.add("tsc", `must be an object, but is ${kindOf(tsc)}`);
    return undefined;
  }
  checkKeys(tsc, ["khz", "scaling"], () => "tsc", problems);
  const { khz, scaling } = tsc;
  if (typeof khz !== "number" || !(khz > 0)) problems.add("tsc.khz", "must be kHz, a number");
  if (scaling !== undefined && typeof scaling !== "boolean") {
    problems.add("tsc.scaling", `must be true or false, but is ${kindOf(scaling)}`);
  }
  const frequency = typeof khz === "number" ? khz : 0;
  return typeof scaling === "boolean" ? { khz: frequency, scaling } : { khz: frequency };
}

function readChoice<T extends string>(
  json: JsonObject,
  key: string,
  choices: readonly T[],
  problems: Problems,
): T | undefined {
  const value = choices.find((choice) => choice === json[key]);
  if (value === undefined) problems.add(key, `must be one of ${choices.join(", ")}`);
  return value;
}

/** Refuses the same entry twice: which one counts would be a guess. */
function refuseDuplicates<T>(
  items: readonly T[],
  list: string,
  key: (item: T) => string | number | bigint,
  problems: Problems,
): void {
  const seen = new Map<string | number | bigint, number>();
  for (const [i, item] of items.entries()) {
    const first = seen.get(key(item));
    if (first === undefined) seen.set(key(item), i);
    else problems.add(`${list}[${i}]`, `duplicate of ${list}[${first}]`);
  }
}

function readEntries(json: JsonObject, problems: Problems): CpuidEntry[] {
  return objectsAt(json, "cpuid", "", problems, (item, path) => {
    const at = (key: string) => () => `${path}.${key}`;
    const keys = ["leaf", "subleaf", "flags", "eax", "ebx", "ecx", "edx"];
    checkKeys(item, keys, () => path, problems);
    const flags = item["flags"] ?? 0;
    if (typeof flags !== "number" || !Number.isInteger(flags) || flags < 0) {
      problems.add(at("flags")(), `must be a number, but is ${kindOf(flags)}`);
    }
    const u32 = (key: string) => readU32(item[key], at(key), problems);
    return {
      leaf: u32("leaf"),
      subleaf: item["subleaf"] === undefined ? 0 : u32("subleaf"),
      flags: typeof flags === "number" ? flags : 0,
      eax: u32("eax"),
      ebx: u32("ebx"),
      ecx: u32("ecx"),
      edx: u32("edx"),
    };
  });
}

function readMsrs(json: JsonObject, problems: Problems): MsrValue[] {
  return objectsAt(json, "msrs", "", problems, (item, path) => {
    const at = (key: string) => () => `${path}.${key}`;
    checkKeys(item, ["addr", "value"], () => path, problems);
    return {
      addr: readU32(item["addr"], at("addr"), problems),
      value: readInteger(item["value"], 64, at("value"), problems),
    };
  });
}

export function readProfileCpu(json: JsonObject): OfferedCpu {
  const problems = new Problems();
  const arch = readChoice<Arch>(json, "arch", ["x86_64", "aarch64"], problems) ?? "x86_64";
  const view = readChoice<View>(json, "view", ["guest", "kvm"], problems) ?? "guest";
  const cpuid = readEntries(json, problems);
  const msrs = readMsrs(json, problems);
  const registers = objectsAt(json, "registers", "", problems, (item, path) => ({
    id: readInteger(item["id"], 64, () => `${path}.id`, problems),
    value: readInteger(item["value"], 128, () => `${path}.value`, problems),
  }));
  if (problems.list.length === 0) {
    refuseDuplicates(cpuid, "cpuid", keyOf, problems);
    refuseDuplicates(msrs, "msrs", ({ addr }) => addr, problems);
    refuseDuplicates(registers, "registers", ({ id }) => id, problems);
  }
  problems.throwIfAny("BAD_FIELD");
  return {
    arch,
    view,
    cpuid: cpuid.toSorted(compareEntries),
    msrs: msrs.toSorted((a, b) => a.addr - b.addr),
    registers,
  };
}

/** Everything of a profile but its CPU. `fallbackName` serves where it has no name. */
export function readProfileHeader(
  json: JsonObject,
  fallbackName: string,
): Omit<NodeProfile, "cpu"> {
  const problems = new Problems();
  checkKeys(json, KEYS, () => "", problems);
  const hostJson = objectOf(json["host"] ?? {}, "host", problems);
  const host: Record<string, string> = {};
  checkKeys(hostJson, HOST_KEYS, () => "host", problems);
  for (const key of HOST_KEYS) {
    const value = optionalString(hostJson, key, "host", problems);
    if (value !== undefined) host[key] = value;
  }
  const name = optionalString(json, "name", "", problems);
  if (name === "") problems.add("name", "is empty");
  const tsc = readTsc(json, problems);
  const kvm = readKvmFacts(json["kvm"], problems);
  const notes = stringsAt(json, "notes", "", problems);
  const profile = {
    name: name ?? fallbackName,
    host: host as HostFacts,
    firecracker: stringsAt(json, "firecracker", "", problems),
    provenance: optionalString(json, "provenance", "", problems),
    incomplete: stringsAt(json, "incomplete", "", problems),
    estimate: flagAt(json, "estimate", "", problems),
  };
  problems.throwIfAny("BAD_FIELD");
  return {
    ...profile,
    ...(tsc === undefined ? {} : { tsc }),
    ...(kvm === undefined ? {} : { kvm }),
    ...(notes.length === 0 ? {} : { notes }),
  };
}
