/** Predicting a contract: the guest CPU of a snapshot that a node would take. */
import { armRegisterName } from "../arm/lookup.ts";
import { leafAddress, msrAddress } from "../format/address.ts";
import { simulate } from "../firecracker/simulate.ts";
import { knownLine, snapshotFormat } from "../firecracker/versions.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import type { MissingEntry } from "../template/apply.ts";
import { applyWideBitmap } from "../template/bitmap.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../template/template.ts";
import type { CpuContract } from "./contract.ts";
import { doubtsAbout } from "./doubts.ts";

export interface ContractOptions {
  readonly firecracker: string;
  readonly vcpus: number;
  readonly smt: boolean;
  readonly template?: CpuTemplate;
  /** What the template is called. */
  readonly templateName?: string;
  readonly class?: string;
  readonly plan?: string;
  readonly time?: string;
}

export type ContractResult =
  | { readonly ok: true; readonly contract: CpuContract }
  /** Firecracker would refuse to boot: the template names what this node does not have. */
  | { readonly ok: false; readonly missing: readonly string[] };

function addressOf(missing: MissingEntry): string {
  return missing.kind === "msr"
    ? msrAddress(missing.addr)
    : leafAddress(missing.leaf, missing.subleaf);
}

function cpuOf({ cpu }: NodeProfile): Pick<CpuContract, "cpuid" | "msrs" | "registers"> {
  const { cpuid, msrs, registers } = cpu;
  return { cpuid, msrs, registers };
}

type Facts = Omit<CpuContract, "cpuid" | "msrs" | "registers" | "incomplete">;

/** aarch64: Firecracker writes the template's registers and nothing else. */
function predictArm(profile: NodeProfile, facts: Facts, template: CpuTemplate): ContractResult {
  const registers = new Map(profile.cpu.registers.map(({ id, value }) => [id, value]));
  const missing = template.regModifiers.filter(({ addr }) => !registers.has(addr));
  if (missing.length > 0) {
    return { ok: false, missing: missing.map(({ addr }) => armRegisterName(addr)) };
  }
  for (const { addr, ...bitmap } of template.regModifiers) {
    registers.set(addr, applyWideBitmap(registers.get(addr) ?? 0n, bitmap));
  }
  // What a vCPU feature (SVE, pointer authentication) adds to the registers is not modelled.
  const unknown = template.vcpuFeatures.map(
    ({ index }) => `what vcpu_features[${index}] of the template gives the guest is not known`,
  );
  const contract: CpuContract = {
    ...facts,
    cpuid: [],
    msrs: [],
    registers: [...registers].map(([id, value]) => ({ id, value })),
    incomplete: [...doubtsAbout(profile), ...unknown],
  };
  return { ok: true, contract };
}

/** Predicts the contract of a snapshot taken on a node; throws UNKNOWN_VERSION. */
export function predictContract(profile: NodeProfile, options: ContractOptions): ContractResult {
  const { cpu, host } = profile;
  const { firecracker, vcpus, smt, template = EMPTY_TEMPLATE } = options;
  const line = knownLine(firecracker);
  const vendor = vendorOfCpu(cpu.cpuid);
  const facts = {
    arch: cpu.arch,
    vendor,
    vcpus,
    smt,
    tscKhz: profile.tsc?.khz,
    kernel: host.kernel,
    firecracker,
    snapshotFormat: snapshotFormat(firecracker),
    kvmCapabilities: template.kvmCapabilities,
    templateMsrs: template.msrModifiers.map(({ addr }) => addr),
    node: profile.name,
    class: options.class,
    template: options.templateName,
    plan: options.plan,
    made: "predicted",
    time: options.time,
  } as const;
  if (cpu.arch === "aarch64") return predictArm(profile, facts, template);
  if (vendor === undefined) {
    const incomplete = doubtsAbout(profile);
    return { ok: true, contract: { ...facts, ...cpuOf(profile), incomplete } };
  }
  const view = simulate(cpu, vendor, line, template, { vcpus, smt, index: 0 });
  if (view.missing.length > 0) return { ok: false, missing: view.missing.map(addressOf) };
  const contract: CpuContract = {
    ...facts,
    cpuid: [...view.cpuid.values()],
    msrs: [...view.msrs].map(([addr, value]) => ({ addr, value })),
    registers: [],
    incomplete: doubtsAbout(profile),
  };
  return { ok: true, contract };
}
