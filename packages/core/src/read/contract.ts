/** Reading a contract back; a contract that was changed by hand is refused. */
import type { CpuContract } from "../contract/contract.ts";
import { contractDigest } from "../contract/file.ts";
import { snapshotFormat } from "../tables/releases.ts";
import { readU32 } from "../json/integer.ts";
import { kindOf, Problems, type JsonObject } from "../json/problems.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import { readProfileCpu } from "./profile.ts";

/** Names, versions and the like: more than this would only make the digest slow. */
const LONGEST = 4096;

type Kind = "string" | "number" | "boolean";
interface Kinds {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
}

function optional<K extends Kind>(
  json: JsonObject,
  key: string,
  kind: K,
  problems: Problems,
): Kinds[K] | undefined {
  const value = json[key];
  if (typeof value === "string" && value.length > LONGEST) {
    problems.add(key, `has ${value.length} characters; the limit is ${LONGEST}`);
    return undefined;
  }
  if (value === undefined || typeof value === kind) return value as Kinds[K] | undefined;
  problems.add(key, `must be a ${kind}, but is ${kindOf(value)}`);
  return undefined;
}

function required<K extends Kind>(
  json: JsonObject,
  key: string,
  kind: K,
  problems: Problems,
): Kinds[K] | undefined {
  if (json[key] === undefined) problems.add(key, "is missing");
  return optional(json, key, kind, problems);
}

function strings(json: JsonObject, key: string, problems: Problems): string[] {
  const value = json[key];
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  problems.add(key, "must be a list of strings");
  return [];
}

const MOST_VCPUS = 32;
/** No CPU's TSC is known to run faster than some GHz. */
const FASTEST_KHZ = 100_000_000;

function addresses(json: JsonObject, problems: Problems): number[] | undefined {
  const list = json["templateMsrs"];
  if (list === undefined) return undefined;
  if (!Array.isArray(list)) problems.add("templateMsrs", `must be a list, but is ${kindOf(list)}`);
  const items: unknown[] = Array.isArray(list) ? list : [];
  return items.map((item, i) => readU32(item, () => `templateMsrs[${i}]`, problems));
}

/** What a contract says twice must agree, and numbers must be such as there are. */
function checkFacts(contract: CpuContract, problems: Problems): void {
  const { vcpus, tscKhz, vendor, cpuid, firecracker, snapshotFormat: format } = contract;
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > MOST_VCPUS) {
    problems.add("vcpus", `must be 1 to ${MOST_VCPUS}`);
  }
  if (tscKhz !== undefined && !(tscKhz > 0 && tscKhz <= FASTEST_KHZ)) {
    problems.add("tscKhz", "must be a frequency in kHz");
  }
  if (vendor !== undefined && vendorOfCpu(cpuid) !== vendor) {
    problems.add("vendor", "does not match CPUID leaf 0");
  }
  if (format !== undefined && format !== snapshotFormat(firecracker)) {
    problems.add("snapshotFormat", `is not the format that Firecracker ${firecracker} writes`);
  }
}

/** Reads a contract's JSON; throws BAD_FIELD with everything that is wrong. */
export function readContract(json: JsonObject): CpuContract {
  const problems = new Problems();
  const { vendor, made } = json;
  if (vendor !== undefined && vendor !== "intel" && vendor !== "amd") {
    problems.add("vendor", "must be intel or amd");
  }
  if (made !== "predicted" && made !== "read") problems.add("made", "must be predicted or read");
  // The CPU is written like a profile's, so it is read like one.
  const cpu = readProfileCpu({ ...json, view: "guest" });
  const contract: CpuContract = {
    arch: cpu.arch,
    vendor: vendor === "intel" || vendor === "amd" ? vendor : undefined,
    cpuid: cpu.cpuid,
    msrs: cpu.msrs,
    registers: cpu.registers,
    vcpus: required(json, "vcpus", "number", problems) ?? 1,
    smt: required(json, "smt", "boolean", problems) ?? false,
    tscKhz: optional(json, "tscKhz", "number", problems),
    kernel: optional(json, "kernel", "string", problems),
    firecracker: required(json, "firecracker", "string", problems) ?? "",
    snapshotFormat: optional(json, "snapshotFormat", "string", problems),
    kvmCapabilities: strings(json, "kvmCapabilities", problems),
    templateMsrs: addresses(json, problems),
    unbacked: json["unbacked"] === undefined ? [] : strings(json, "unbacked", problems),
    node: required(json, "node", "string", problems) ?? "",
    class: optional(json, "class", "string", problems),
    template: optional(json, "template", "string", problems),
    plan: optional(json, "plan", "string", problems),
    made: made === "read" ? "read" : "predicted",
    incomplete: strings(json, "incomplete", problems),
    time: optional(json, "time", "string", problems),
  };
  if (problems.list.length === 0) checkFacts(contract, problems);
  if (problems.list.length === 0 && json["digest"] !== contractDigest(contract)) {
    problems.add(
      "digest",
      "does not match the contract: the file was changed after it was written",
    );
  }
  problems.throwIfAny("BAD_FIELD");
  return contract;
}
