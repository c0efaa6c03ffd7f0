/** Predicting a contract: the guest CPU of a snapshot that a node would take. */
import { armRegisterName } from "../tables/arm/lookup.ts";
import { compareEntries, indexEntries } from "../cpuid.ts";
import { bootMsrs } from "../firecracker/boot-msrs.ts";
import { brandOf, guestBrand, withBrand } from "../firecracker/brand.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import { isEmulator, isPreRelease, knownLine, snapshotFormat } from "../tables/releases.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { Vendor } from "../tables/field.ts";
import { vendorOfCpu } from "../tables/vendors.ts";
import { missingAddress } from "../template/apply.ts";
import { applyWideBitmap } from "../template/bitmap.ts";
import { EMPTY_TEMPLATE, templateArch, type CpuTemplate } from "../template/template.ts";
import type { CpuContract } from "./contract.ts";
import { doubtsAbout } from "./doubts.ts";
import { unbackedPromises } from "./unbacked.ts";

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

function cpuOf({ cpu }: NodeProfile): Pick<CpuContract, "cpuid" | "msrs" | "registers"> {
  const { cpuid, msrs, registers } = cpu;
  return { cpuid, msrs, registers };
}

type Content = Pick<CpuContract, "cpuid" | "msrs">;

function contentOf({ cpuid, registers }: GuestView): Content {
  return {
    cpuid: [...cpuid.values()].toSorted(compareEntries),
    msrs: [...registers].map(([addr, value]) => ({ addr: Number(addr), value })),
  };
}

/** With what Firecracker writes over it on a node that was probed: a fingerprint has it already. */
function booted(
  { cpuid, msrs }: Content,
  { cpu, host }: NodeProfile,
  vendor: Vendor,
  line: string,
): Content {
  if (isEmulator(line)) return { cpuid, msrs };
  const written = new Map(bootMsrs(line, vendor).map(({ addr, value }) => [addr, value]));
  const brand = guestBrand(vendor, host.cpuModel ?? brandOf(indexEntries(cpu.cpuid)));
  return {
    cpuid: cpu.view === "kvm" ? withBrand(cpuid, brand) : cpuid,
    msrs: msrs.map(({ addr, value }) => ({ addr, value: written.get(addr) ?? value })),
  };
}

type Facts = Omit<CpuContract, "cpuid" | "msrs" | "registers" | "incomplete" | "unbacked">;

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
    unbacked: [],
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
  const shapedFor = templateArch(template) ?? cpu.arch;
  if (shapedFor !== cpu.arch) return { ok: false, missing: [`the registers of ${shapedFor}`] };
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
    return { ok: true, contract: { ...facts, ...cpuOf(profile), unbacked: [], incomplete } };
  }
  const guestWith = (shape: CpuTemplate) =>
    simulate(cpu, vendor, line, shape, { vcpus, smt, index: 0 }, isPreRelease(firecracker));
  const view = guestWith(template);
  if (view.missing.length > 0) return { ok: false, missing: view.missing.map(missingAddress) };
  const guest = booted(contentOf(view), profile, vendor, line);
  const isShaped = template !== EMPTY_TEMPLATE;
  const contract: CpuContract = {
    ...facts,
    ...guest,
    registers: [],
    unbacked: isShaped ? unbackedPromises(guest, contentOf(guestWith(EMPTY_TEMPLATE)), vendor) : [],
    incomplete: doubtsAbout(profile),
  };
  return { ok: true, contract };
}
