/** JSON to {@link CpuTemplate}, stricter than Firecracker: it lets typos pass, this does not. */
import { entryKey, REGISTERS, type Register } from "../cpuid.ts";
import { hexNumber, leafAddress, msrAddress, registerAddress } from "../format/address.ts";
import { readInteger, readU32 } from "../json/integer.ts";
import {
  checkKeys,
  isObject,
  join,
  kindOf,
  listAt,
  Problems,
  type JsonObject,
} from "../json/problems.ts";
import { parseBitmap, parseBitmap32, type Width } from "./bitmap.ts";
import type {
  ArmRegisterModifier,
  CpuidModifier,
  CpuTemplate,
  MsrModifier,
  RegisterModifier,
  VcpuFeatureModifier,
} from "./template.ts";

export const TEMPLATE_KEYS = [
  "kvm_capabilities",
  "cpuid_modifiers",
  "msr_modifiers",
  "vcpu_features",
  "reg_modifiers",
] as const;

/**
 * Reads a template. Throws BAD_FIELD with every problem found: path, and the address meant.
 * `path` is where the template stands in its document.
 */
export function parseTemplate(json: unknown, path = ""): CpuTemplate {
  const problems = new Problems();
  const template = readTemplate(json, path, problems);
  problems.throwIfAny("BAD_FIELD");
  return template;
}

export function readTemplate(json: unknown, path: string, problems: Problems): CpuTemplate {
  const object = isObject(json) ? json : {};
  if (!isObject(json)) problems.add(path, `must be an object, but is ${kindOf(json)}`);
  checkKeys(object, TEMPLATE_KEYS, () => path, problems);
  const list = (key: (typeof TEMPLATE_KEYS)[number]) => listAt(object, key, path, problems);
  const at = (key: string, i: number) => `${join(path, key)}[${i}]`;

  return {
    kvmCapabilities: list("kvm_capabilities").map((item, i) =>
      readCapability(item, at("kvm_capabilities", i), problems),
    ),
    cpuidModifiers: readEach(
      list("cpuid_modifiers"),
      (i) => at("cpuid_modifiers", i),
      readCpuidModifier,
      SAME_ENTRY,
      problems,
    ),
    msrModifiers: readEach(
      list("msr_modifiers"),
      (i) => at("msr_modifiers", i),
      readMsrModifier,
      SAME_MSR,
      problems,
    ),
    vcpuFeatures: readEach(
      list("vcpu_features"),
      (i) => at("vcpu_features", i),
      readVcpuFeature,
      SAME_VCPU_FEATURE,
      problems,
    ),
    regModifiers: readEach(
      list("reg_modifiers"),
      (i) => at("reg_modifiers", i),
      readArmModifier,
      SAME_ARM_REGISTER,
      problems,
    ),
  };
}

type Key = string | number | bigint;

/** What makes two items of a list the same, and how a message names it. */
interface Identity<T> {
  readonly key: (item: T) => Key;
  readonly text: (item: T) => string;
}

const SAME_ENTRY: Identity<CpuidModifier> = {
  key: ({ leaf, subleaf }) => entryKey(leaf, subleaf),
  text: ({ leaf, subleaf }) => leafAddress(leaf, subleaf),
};
const SAME_MSR: Identity<MsrModifier> = {
  key: ({ addr }) => addr,
  text: ({ addr }) => msrAddress(addr),
};
const SAME_VCPU_FEATURE: Identity<VcpuFeatureModifier> = {
  key: ({ index }) => index,
  text: ({ index }) => `vCPU feature word ${index}`,
};
const SAME_ARM_REGISTER: Identity<ArmRegisterModifier> = {
  key: ({ addr }) => addr,
  text: ({ addr }) => `register ${hexNumber(addr)}`,
};
const SAME_REGISTER: Identity<RegisterModifier> = {
  key: ({ register }) => register,
  text: ({ register }) => register.toUpperCase(),
};

/** Reads a list of objects and reports the same thing given twice: Firecracker applies both. */
function readEach<T>(
  items: readonly unknown[],
  pathOf: (i: number) => string,
  read: (item: JsonObject, path: () => string, problems: Problems) => T,
  identity: Identity<T>,
  problems: Problems,
): T[] {
  const seen = new Map<Key, number>();
  const result: T[] = [];
  for (const [i, item] of items.entries()) {
    if (!isObject(item)) {
      problems.add(pathOf(i), `must be an object, but is ${kindOf(item)}`);
      continue;
    }
    const before = problems.list.length;
    const value = read(item, () => pathOf(i), problems);
    result.push(value);
    if (problems.list.length > before) continue;
    const key = identity.key(value);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, i);
    else problems.add(pathOf(i), `duplicate of ${pathOf(first)} (${identity.text(value)})`);
  }
  return result;
}

function readCapability(item: unknown, path: string, problems: Problems): string {
  if (typeof item === "string" && /^!?[0-9]{1,9}$/.test(item)) return item;
  problems.add(path, 'must be a KVM capability number in a string, such as "171" or "!171"');
  return "";
}

function readCpuidModifier(
  item: JsonObject,
  path: () => string,
  problems: Problems,
): CpuidModifier {
  checkKeys(item, ["leaf", "subleaf", "flags", "modifiers"], path, problems);
  const leaf = readU32(item["leaf"], () => join(path(), "leaf"), problems);
  const subleaf = readU32(item["subleaf"], () => join(path(), "subleaf"), problems);
  const flags = item["flags"];
  if (typeof flags !== "number" || !Number.isInteger(flags) || flags < 0 || flags > 0xffff_ffff) {
    problems.add(join(path(), "flags"), `must be KVM's flags as a number, but is ${kindOf(flags)}`);
  }
  const list = item["modifiers"];
  if (!Array.isArray(list)) {
    problems.add(join(path(), "modifiers"), `must be a list, but is ${kindOf(list)}`);
  }
  const items: readonly unknown[] = Array.isArray(list) ? list : [];
  const modifiers = readEach(
    items,
    (i) => `${join(path(), "modifiers")}[${i}]`,
    (modifier, at, found) => readRegisterModifier(modifier, leaf, subleaf, at, found),
    SAME_REGISTER,
    problems,
  );
  return { leaf, subleaf, flags: typeof flags === "number" ? flags : 0, modifiers };
}

function readRegisterModifier(
  item: JsonObject,
  leaf: number,
  subleaf: number,
  path: () => string,
  problems: Problems,
): RegisterModifier {
  checkKeys(item, ["register", "bitmap"], path, problems);
  const name = item["register"];
  const register = REGISTERS.find((r) => r === name);
  if (register === undefined) {
    const found = typeof name === "string" ? JSON.stringify(name.slice(0, 20)) : kindOf(name);
    problems.add(join(path(), "register"), `must be eax, ebx, ecx or edx, but is ${found}`);
  }
  const before = problems.list.length;
  const bitmap = parseBitmap32(item["bitmap"], () => join(path(), "bitmap"), problems);
  if (register !== undefined) addAddress(problems, before, leaf, subleaf, register);
  return { register: register ?? "eax", ...bitmap };
}

/** A wrong bitmap is easier to find when its register is named as in the manual. */
function addAddress(
  problems: Problems,
  from: number,
  leaf: number,
  subleaf: number,
  register: Register,
): void {
  for (const [i, problem] of problems.list.entries()) {
    if (i < from) continue;
    const message = `${problem.message} (${registerAddress(leaf, subleaf, register)})`;
    problems.list[i] = { ...problem, message };
  }
}

function readWide<T>(
  item: JsonObject,
  width: Width,
  addr: T,
  path: () => string,
  problems: Problems,
): { addr: T; mask: bigint; value: bigint } {
  checkKeys(item, ["addr", "bitmap"], path, problems);
  return { addr, ...parseBitmap(item["bitmap"], width, () => join(path(), "bitmap"), problems) };
}

function readMsrModifier(item: JsonObject, path: () => string, problems: Problems): MsrModifier {
  const addr = readU32(item["addr"], () => join(path(), "addr"), problems);
  return readWide(item, 64, addr, path, problems);
}

function readArmModifier(
  item: JsonObject,
  path: () => string,
  problems: Problems,
): ArmRegisterModifier {
  const addr = readInteger(item["addr"], 64, () => join(path(), "addr"), problems);
  return readWide(item, 128, addr, path, problems);
}

function readVcpuFeature(
  item: JsonObject,
  path: () => string,
  problems: Problems,
): VcpuFeatureModifier {
  checkKeys(item, ["index", "bitmap"], path, problems);
  const index = item["index"];
  if (typeof index !== "number" || !Number.isInteger(index) || index < 0) {
    problems.add(join(path(), "index"), `must be a number, but is ${kindOf(index)}`);
  }
  const bitmap = parseBitmap32(item["bitmap"], () => join(path(), "bitmap"), problems);
  return { index: typeof index === "number" ? index : 0, ...bitmap };
}
