/** evenkeel's own profile format, `evenkeel/node-profile@1` (docs/formats.md). */
import { compareEntries, keyOf, type CpuidEntry, type MsrValue } from "../cpuid.ts";
import type { Arch } from "../cpuid.ts";
import type { HostFacts, NodeProfile, OfferedCpu, TscFacts, View } from "../profile/profile.ts";
import { readKvmFacts } from "./kvm-facts.ts";
import { readInteger, readU32 } from "../json/integer.ts";
import {
  checkKeys,
  isObject,
  kindOf,
  listAt,
  Problems,
  type JsonObject,
} from "../json/problems.ts";

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

function readString(object: JsonObject, key: string, path: string, problems: Problems) {
  const value = object[key];
  if (value === undefined || typeof value === "string") return value;
  problems.add(path, `must be a string, but is ${kindOf(value)}`);
  return undefined;
}

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

function readFlag(object: JsonObject, key: string, problems: Problems): boolean {
  const value = object[key];
  if (value !== undefined && typeof value !== "boolean") {
    problems.add(key, `must be true or false, but is ${kindOf(value)}`);
  }
  return value === true;
}

const NO_STRINGS: readonly string[] = [];

function readStrings(object: JsonObject, key: string, problems: Problems): readonly string[] {
  // One list for all profiles that leave it out, which nearly all do.
  if (object[key] === undefined) return NO_STRINGS;
  return listAt(object, key, "", problems).map((item, i) => {
    if (typeof item === "string") return item;
    problems.add(`${key}[${i}]`, `must be a string, but is ${kindOf(item)}`);
    return "";
  });
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

function objectsAt(json: JsonObject, key: string, problems: Problems): [JsonObject, number][] {
  return listAt(json, key, "", problems).flatMap((item, i): [JsonObject, number][] => {
    if (isObject(item)) return [[item, i]];
    problems.add(`${key}[${i}]`, `must be an object, but is ${kindOf(item)}`);
    return [];
  });
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
  return objectsAt(json, "cpuid", problems).map(([item, i]) => {
    const at = (key: string) => () => `cpuid[${i}].${key}`;
    const keys = ["leaf", "subleaf", "flags", "eax", "ebx", "ecx", "edx"];
    checkKeys(item, keys, () => `cpuid[${i}]`, problems);
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
  return objectsAt(json, "msrs", problems).map(([item, i]) => {
    const at = (key: string) => () => `msrs[${i}].${key}`;
    checkKeys(item, ["addr", "value"], () => `msrs[${i}]`, problems);
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
  const registers = objectsAt(json, "registers", problems).map(([item, i]) => ({
    id: readInteger(item["id"], 64, () => `registers[${i}].id`, problems),
    value: readInteger(item["value"], 128, () => `registers[${i}].value`, problems),
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
  const hostJson = json["host"] ?? {};
  const host: Record<string, string> = {};
  if (isObject(hostJson)) {
    checkKeys(hostJson, HOST_KEYS, () => "host", problems);
    for (const key of HOST_KEYS) {
      const value = readString(hostJson, key, `host.${key}`, problems);
      if (value !== undefined) host[key] = value;
    }
  } else problems.add("host", `must be an object, but is ${kindOf(hostJson)}`);
  const name = readString(json, "name", "name", problems);
  if (name === "") problems.add("name", "is empty");
  const tsc = readTsc(json, problems);
  const kvm = readKvmFacts(json["kvm"], problems);
  const notes = readStrings(json, "notes", problems);
  const profile = {
    name: name ?? fallbackName,
    host: host as HostFacts,
    firecracker: readStrings(json, "firecracker", problems),
    provenance: readString(json, "provenance", "provenance", problems),
    incomplete: readStrings(json, "incomplete", problems),
    estimate: readFlag(json, "estimate", problems),
  };
  problems.throwIfAny("BAD_FIELD");
  return {
    ...profile,
    ...(tsc === undefined ? {} : { tsc }),
    ...(kvm === undefined ? {} : { kvm }),
    ...(notes.length === 0 ? {} : { notes }),
  };
}
