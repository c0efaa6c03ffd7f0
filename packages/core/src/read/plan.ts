/** Reading a plan back, as far as showing and comparing need it. */
import { compareEntries, REGISTERS } from "../cpuid.ts";
import type { GuestCpu, GuestEntry, GuestRegister } from "../plan/guest-cpu.ts";
import type { PlanFile, PlanFileClass } from "../plan/plan-file.ts";
import type { CpuType } from "../tables/field.ts";
import { compareIds, type RegisterId } from "../tables/registers.ts";
import { parseBitmap, parseBitmap32 } from "../template/bitmap.ts";
import { readInteger, readU32 } from "../json/integer.ts";
import { isObject, kindOf, listAt, Problems, type JsonObject } from "../json/problems.ts";
import { readAccepted } from "./plan-moves.ts";

function strings(object: JsonObject, key: string, path: string, problems: Problems): string[] {
  return listAt(object, key, path, problems).map((item, i) => {
    if (typeof item === "string") return item;
    problems.add(
      `${path === "" ? key : `${path}.${key}`}[${i}]`,
      `must be a string, but is ${kindOf(item)}`,
    );
    return "";
  });
}

function objects(object: JsonObject, key: string, path: string, problems: Problems) {
  return listAt(object, key, path, problems).map((item, i) => {
    if (isObject(item)) return item;
    problems.add(`${key}[${i}]`, `must be an object, but is ${kindOf(item)}`);
    return {};
  });
}

function readString(object: JsonObject, key: string, path: string, problems: Problems): string {
  const value = object[key];
  if (typeof value === "string") return value;
  problems.add(`${path}.${key}`, `must be a string, but is ${kindOf(value)}`);
  return "";
}

function readEntry(json: JsonObject, path: string, problems: Problems): GuestEntry {
  const [eax, ebx, ecx, edx] = REGISTERS.map((register) =>
    parseBitmap32(json[register], () => `${path}.${register}`, problems),
  );
  const none = { mask: 0, value: 0 };
  return {
    leaf: readU32(json["leaf"], () => `${path}.leaf`, problems),
    subleaf: readU32(json["subleaf"], () => `${path}.subleaf`, problems),
    registers: { eax: eax ?? none, ebx: ebx ?? none, ecx: ecx ?? none, edx: edx ?? none },
  };
}

function readRegister(
  json: JsonObject,
  id: RegisterId,
  path: string,
  problems: Problems,
): GuestRegister {
  return { id, ...parseBitmap(json["bitmap"], 64, () => `${path}.bitmap`, problems) };
}

function readGivesUp(json: unknown, path: string, problems: Problems): string[] | undefined {
  if (json === undefined) return undefined;
  if (!Array.isArray(json)) {
    problems.add(path, `must be a list, but is ${kindOf(json)}`);
    return undefined;
  }
  return json.map((item: unknown, i) => {
    if (isObject(item)) return readString(item, "name", `${path}[${i}]`, problems);
    problems.add(`${path}[${i}]`, `must be an object, but is ${kindOf(item)}`);
    return "";
  });
}

function readClass(item: JsonObject, path: string, problems: Problems): PlanFileClass {
  return {
    id: readString(item, "id", path, problems),
    nodes: strings(item, "nodes", path, problems),
    template: readString(item, "template", path, problems),
    givesUp: readGivesUp(item["givesUp"], `${path}.givesUp`, problems),
  };
}

function readType({ arch, vendor }: JsonObject, problems: Problems): CpuType {
  if (arch === "aarch64") return "aarch64";
  if (vendor !== "intel" && vendor !== "amd") problems.add("vendor", "must be intel or amd");
  return vendor === "amd" ? "amd" : "intel";
}

function readX86(guest: JsonObject, problems: Problems): Omit<GuestCpu, "features"> {
  return {
    cpuid: objects(guest, "cpuid", "guestCpu", problems)
      .map((item, i) => readEntry(item, `guestCpu.cpuid[${i}]`, problems))
      .toSorted(compareEntries),
    registers: objects(guest, "msrs", "guestCpu", problems).map((item, i) => {
      const path = `guestCpu.msrs[${i}]`;
      return readRegister(
        item,
        readU32(item["addr"], () => `${path}.addr`, problems),
        path,
        problems,
      );
    }),
  };
}

function readArm(guest: JsonObject, problems: Problems): Omit<GuestCpu, "features"> {
  const registers = objects(guest, "registers", "guestCpu", problems).map((item, i) => {
    const path = `guestCpu.registers[${i}]`;
    const id = readInteger(item["id"], 64, () => `${path}.id`, problems);
    return readRegister(item, id, path, problems);
  });
  return { cpuid: [], registers: registers.toSorted((a, b) => compareIds(a.id, b.id)) };
}

const WORDS: Readonly<Record<CpuType, typeof readX86>> = {
  intel: readX86,
  amd: readX86,
  aarch64: readArm,
};

/** Reads a plan's JSON; throws BAD_FIELD with everything that is wrong. */
export function readPlan(json: JsonObject): PlanFile {
  const problems = new Problems();
  const guestJson = json["guestCpu"];
  if (!isObject(guestJson)) {
    problems.add("guestCpu", `must be an object, but is ${kindOf(guestJson)}`);
  }
  const guest = isObject(guestJson) ? guestJson : {};
  const type = readType(json, problems);
  const plan: PlanFile = {
    type,
    firecracker: strings(json, "firecracker", "", problems),
    classes: objects(json, "classes", "", problems).map((item, i) =>
      readClass(item, `classes[${i}]`, problems),
    ),
    accepted: readAccepted(json["moves"], problems),
    guest: {
      features: strings(guest, "features", "guestCpu", problems),
      ...WORDS[type](guest, problems),
    },
  };
  problems.throwIfAny("BAD_FIELD");
  return plan;
}
