/** Reading a plan back, as far as showing and comparing need it. */
import type { ArmGuestRegister } from "../plan/arm/guest.ts";
import { compareEntries, REGISTERS } from "../cpuid.ts";
import type { ArmPlanFile, PlanFile, PlanFileHeader, X86PlanFile } from "../plan/plan-file.ts";
import type { GuestEntry, GuestMsr } from "../plan/guest.ts";
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

function readMsr(json: JsonObject, path: string, problems: Problems): GuestMsr {
  return {
    addr: readU32(json["addr"], () => `${path}.addr`, problems),
    ...parseBitmap(json["bitmap"], 64, () => `${path}.bitmap`, problems),
  };
}

function readRegister(json: JsonObject, path: string, problems: Problems): ArmGuestRegister {
  return {
    id: readInteger(json["id"], 64, () => `${path}.id`, problems),
    ...parseBitmap(json["bitmap"], 64, () => `${path}.bitmap`, problems),
  };
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

function readHeader(json: JsonObject, problems: Problems): PlanFileHeader {
  return {
    firecracker: strings(json, "firecracker", "", problems),
    classes: objects(json, "classes", "", problems).map((item, i) => ({
      id: readString(item, "id", `classes[${i}]`, problems),
      nodes: strings(item, "nodes", `classes[${i}]`, problems),
      template: readString(item, "template", `classes[${i}]`, problems),
      givesUp: readGivesUp(item["givesUp"], `classes[${i}].givesUp`, problems),
    })),
    accepted: readAccepted(json["moves"], problems),
  };
}

function readX86(json: JsonObject, guest: JsonObject, problems: Problems): X86PlanFile {
  const vendor = json["vendor"];
  if (vendor !== "intel" && vendor !== "amd") problems.add("vendor", "must be intel or amd");
  return {
    arch: "x86_64",
    vendor: vendor === "amd" ? "amd" : "intel",
    ...readHeader(json, problems),
    guest: {
      features: strings(guest, "features", "guestCpu", problems),
      cpuid: objects(guest, "cpuid", "guestCpu", problems)
        .map((item, i) => readEntry(item, `guestCpu.cpuid[${i}]`, problems))
        .toSorted(compareEntries),
      msrs: objects(guest, "msrs", "guestCpu", problems).map((item, i) =>
        readMsr(item, `guestCpu.msrs[${i}]`, problems),
      ),
    },
  };
}

function readArm(json: JsonObject, guest: JsonObject, problems: Problems): ArmPlanFile {
  return {
    arch: "aarch64",
    ...readHeader(json, problems),
    guest: {
      features: strings(guest, "features", "guestCpu", problems),
      registers: objects(guest, "registers", "guestCpu", problems)
        .map((item, i) => readRegister(item, `guestCpu.registers[${i}]`, problems))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    },
  };
}

/** Reads a plan's JSON; throws BAD_FIELD with everything that is wrong. */
export function readPlan(json: JsonObject): PlanFile {
  const problems = new Problems();
  const guestJson = json["guestCpu"];
  if (!isObject(guestJson)) {
    problems.add("guestCpu", `must be an object, but is ${kindOf(guestJson)}`);
  }
  const guest = isObject(guestJson) ? guestJson : {};
  const read = json["arch"] === "aarch64" ? readArm : readX86;
  const plan = read(json, guest, problems);
  problems.throwIfAny("BAD_FIELD");
  return plan;
}
