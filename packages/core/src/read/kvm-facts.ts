/** The `kvm` member of a node profile (docs/formats.md). */
import { REGISTERS, type MsrValue } from "../cpuid.ts";
import { readInteger, readU32 } from "../json/integer.ts";
import { objectOf } from "../json/members.ts";
import { checkKeys, kindOf, listAt, type JsonObject, type Problems } from "../json/problems.ts";
import type { ChangedWord, Enforcement, KvmFacts, TakenField } from "../profile/kvm-facts.ts";

const KEYS = [
  "apiVersion",
  "backend",
  "capabilities",
  "featureMsrs",
  "unreadableMsrs",
  "enforcement",
  "takenFields",
];
const WORD_KEYS = ["leaf", "subleaf", "register", "asked", "answered"];

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function readCapabilities(json: unknown, problems: Problems): ReadonlyMap<number, number> {
  const path = "kvm.capabilities";
  const capabilities = new Map<number, number>();
  for (const [key, value] of Object.entries(objectOf(json, path, problems))) {
    if (!/^\d{1,9}$/.test(key)) problems.add(path, `"${key}" is not a capability number`);
    else if (isCount(value)) capabilities.set(Number(key), value);
    else problems.add(`${path}.${key}`, "must be a number, as KVM returns it");
  }
  return capabilities;
}

function readWord(item: unknown, path: string, problems: Problems): ChangedWord {
  const json = objectOf(item, path, problems);
  checkKeys(json, WORD_KEYS, () => path, problems);
  const register = REGISTERS.find((r) => r === json["register"]);
  if (register === undefined) problems.add(`${path}.register`, "must be eax, ebx, ecx or edx");
  const u32 = (key: string) => readU32(json[key], () => `${path}.${key}`, problems);
  return {
    leaf: u32("leaf"),
    subleaf: u32("subleaf"),
    register: register ?? "eax",
    asked: u32("asked"),
    answered: u32("answered"),
  };
}

function readEnforcement(json: unknown, problems: Problems): Enforcement | undefined {
  if (json === undefined) return undefined;
  const path = "kvm.enforcement";
  const object = objectOf(json, path, problems);
  checkKeys(object, ["enforced", "changed"], () => path, problems);
  const changed = listAt(object, "changed", path, problems).map((item, i) =>
    readWord(item, `${path}.changed[${i}]`, problems),
  );
  const { enforced } = object;
  if (typeof enforced !== "boolean") problems.add(`${path}.enforced`, "must be true or false");
  else if (enforced && changed.length > 0) {
    problems.add(`${path}.enforced`, "cannot be true if registers were changed");
  }
  return { enforced: enforced === true && changed.length === 0, changed };
}

function readMsr(item: unknown, path: string, problems: Problems): MsrValue {
  const json = objectOf(item, path, problems);
  checkKeys(json, ["addr", "value"], () => path, problems);
  return {
    addr: readU32(json["addr"], () => `${path}.addr`, problems),
    value: readInteger(json["value"], 64, () => `${path}.value`, problems),
  };
}

function readValues(json: JsonObject, key: string, path: string, problems: Problems): bigint[] {
  return listAt(json, key, path, problems).map((item, i) =>
    readInteger(item, 64, () => `${path}.${key}[${i}]`, problems),
  );
}

function readTakenField(item: unknown, path: string, problems: Problems): TakenField {
  const json = objectOf(item, path, problems);
  checkKeys(json, ["id", "hi", "lo", "values", "ignored"], () => path, problems);
  const bit = (key: string): number => {
    const value = json[key];
    if (isCount(value) && value < 64) return value;
    problems.add(`${path}.${key}`, "must be a bit, 0 to 63");
    return 0;
  };
  const [hi, lo] = [bit("hi"), bit("lo")];
  if (hi < lo) problems.add(`${path}.hi`, "must not be below lo");
  return {
    id: readInteger(json["id"], 64, () => `${path}.id`, problems),
    hi,
    lo,
    values: readValues(json, "values", path, problems),
    ignored: readValues(json, "ignored", path, problems),
  };
}

function readTakenFields(json: JsonObject, problems: Problems): TakenField[] | undefined {
  if (json["takenFields"] === undefined) return undefined;
  return listAt(json, "takenFields", "kvm", problems).map((item, i) =>
    readTakenField(item, `kvm.takenFields[${i}]`, problems),
  );
}

export function readKvmFacts(json: unknown, problems: Problems): KvmFacts | undefined {
  if (json === undefined) return undefined;
  const object = objectOf(json, "kvm", problems);
  checkKeys(object, KEYS, () => "kvm", problems);
  const { apiVersion, backend } = object;
  if (!isCount(apiVersion)) problems.add("kvm.apiVersion", "must be a number");
  if (backend !== undefined && typeof backend !== "string") {
    problems.add("kvm.backend", `must be a string, but is ${kindOf(backend)}`);
  }
  const enforcement = readEnforcement(object["enforcement"], problems);
  const takenFields = readTakenFields(object, problems);
  return {
    apiVersion: isCount(apiVersion) ? apiVersion : 0,
    ...(typeof backend === "string" ? { backend } : {}),
    capabilities: readCapabilities(object["capabilities"] ?? {}, problems),
    featureMsrs: listAt(object, "featureMsrs", "kvm", problems).map((item, i) =>
      readMsr(item, `kvm.featureMsrs[${i}]`, problems),
    ),
    unreadableMsrs: listAt(object, "unreadableMsrs", "kvm", problems).map((item, i) =>
      readU32(item, () => `kvm.unreadableMsrs[${i}]`, problems),
    ),
    ...(enforcement === undefined ? {} : { enforcement }),
    ...(takenFields === undefined ? {} : { takenFields }),
  };
}
