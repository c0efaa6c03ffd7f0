/** The guest's CPU: what a boot makes of a template, and what a load makes of another node. */
import { readFileSync } from "node:fs";
import {
  armBuiltInTemplate,
  buildStaticTemplate,
  contractToJson,
  CoreError,
  decodeSignature,
  isAcceptedOn,
  judge,
  knownLine,
  parseJson,
  parseTemplate,
  predictContract,
  readDocument,
  staticTemplateRow,
  type CpuContract,
  type CpuTemplate,
  type NodeProfile,
  signatureOf,
} from "@evenkeel/core";
import { fault, FaultError } from "./fault.ts";
import { LINE, lineNumber } from "./versions.ts";

/** By name, as in a machine configuration, or whole, as in a CPU configuration. */
export type ChosenTemplate =
  | { readonly kind: "none" }
  | { readonly kind: "built-in"; readonly name: string }
  | { readonly kind: "custom"; readonly template: CpuTemplate };

export function loadProfile(path: string): NodeProfile {
  const document = readDocument(parseJson(readFileSync(path, "utf8")), "node");
  if (document.kind === "profile") return document.profile;
  throw new Error(`${path}: a ${document.kind}, not a profile`);
}

/** Reads a template as PUT /cpu-config does; what is wrong inside is said in evenkeel's words. */
export function readTemplate(json: unknown): CpuTemplate {
  try {
    return parseTemplate(json);
  } catch (error) {
    if (error instanceof CoreError) throw fault(error.message);
    throw error;
  }
}

interface Boot {
  readonly profile: NodeProfile;
  readonly version: string;
  readonly vcpus: number;
  readonly smt: boolean;
  readonly chosen: ChosenTemplate;
}

function builtIn(name: string, { profile, version }: Boot): CpuTemplate {
  const arm = armBuiltInTemplate(name);
  if (arm !== undefined) return arm;
  const row = staticTemplateRow(name);
  if (row === undefined)
    throw fault(`Failed to get CPU template: Invalid static CPU template: ${name}`);
  const signature = decodeSignature(signatureOf(profile.cpu.cpuid) ?? 0);
  if (lineNumber(version) >= LINE.checksModel && !isAcceptedOn(row, signature)) {
    throw fault(
      "Failed to get CPU template: The current CPU model is not permitted to apply the CPU template.",
    );
  }
  return buildStaticTemplate(row, knownLine(version));
}

function templateOf(boot: Boot): CpuTemplate | undefined {
  const { chosen } = boot;
  if (chosen.kind === "none") return undefined;
  return chosen.kind === "custom" ? chosen.template : builtIn(chosen.name, boot);
}

/**
 * `CPUID.(EAX=07H,ECX=1)` and `MSR 10AH` as Firecracker writes them. It reads MSRs from KVM before
 * it changes them, and that already fails where there is none.
 */
function reasonOf(missing: string): string {
  const msr = /^MSR ([0-9A-F]+)H$/.exec(missing)?.[1];
  if (msr !== undefined) {
    return `KVM vcpu ioctl failed: Failed to get KVM vcpu msr: 0x${msr.toLowerCase()}`;
  }
  const [leaf = "", subleaf = "0"] = missing.match(/[0-9A-F]+(?=H)|(?<=ECX=)[0-9A-F]+/g) ?? [];
  const hex = (text: string) => Number.parseInt(text, 16).toString(16);
  const place = `Leaf: ${hex(leaf)}, Subleaf: ${hex(subleaf)}`;
  return `Template changes a CPUID entry not supported by KVM: ${place}`;
}

function notSupported(missing: string, version: string): FaultError {
  const where = lineNumber(version) < LINE.archErrors ? "" : "System configuration error: ";
  return fault(`${where}Failed to create guest config: ${reasonOf(missing)}`);
}

/** Beyond every capability that Linux has; which of the others are there, no profile need know. */
const LAST_CAPABILITY = 1000;

function checkCapabilities(template: CpuTemplate | undefined, version: string): void {
  const asked = (template?.kvmCapabilities ?? []).filter((text) => !text.startsWith("!"));
  const missing = asked.map(Number).filter((number) => number > LAST_CAPABILITY);
  if (missing.length === 0) return;
  const list = missing.map((number) => `0x${number.toString(16)}`).join(", ");
  const where =
    lineNumber(version) < LINE.kvmErrors ? "Internal error while starting microVM: " : "";
  throw fault(`${where}Kvm error: Missing KVM capabilities: ${list}`);
}

/** The guest CPU of a cold boot as a contract's JSON; throws what InstanceStart answers where it cannot be. */
export function bootCpu(boot: Boot): unknown {
  const { profile, version, vcpus, smt } = boot;
  const template = templateOf(boot);
  checkCapabilities(template, version);
  const result = predictContract(profile, {
    firecracker: version,
    vcpus,
    smt,
    ...(template === undefined ? {} : { template }),
  });
  if (result.ok) return contractToJson(result.contract);
  throw notSupported(result.missing[0] ?? "", version);
}

function readContract(json: unknown): CpuContract {
  const document = readDocument(json, "guest");
  if (document.kind === "contract") return document.contract;
  throw new Error("the state holds no contract");
}

/** What KVM itself refuses at a load; a missing feature is not among it. */
const REFUSALS: Readonly<Record<string, string>> = {
  msr: "Failed to set all KVM MSRs for this vCPU. Only a partial write was done.",
  "xsave-state": "Failed to set KVM vcpu xsave: Invalid argument (os error 22)",
  tsc: "Could not set TSC scaling within the snapshot: Invalid argument (os error 22)",
};

/** Checks a loaded guest CPU as KVM does; returns features that the guest counts on in vain. */
export function loadCpu(json: unknown, profile: NodeProfile): readonly string[] {
  const { findings } = judge(readContract(json), profile);
  const bad = findings.filter(({ severity }) => severity === "incompatible");
  for (const { rule } of bad) {
    const refusal = REFUSALS[rule];
    if (refusal !== undefined)
      throw fault(
        rule === "tsc"
          ? refusal
          : `Failed to restore vCPUs: Failed to run action on vcpu: ${refusal}`,
      );
  }
  return bad.filter(({ rule }) => rule === "feature").map(({ name }) => name);
}
