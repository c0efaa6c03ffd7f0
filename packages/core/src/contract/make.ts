/** Predicting a contract: the guest CPU of a snapshot that a node would take. */
import {
  compareEntries,
  indexEntries,
  type ArmRegister,
  type CpuidEntry,
  type MsrValue,
} from "../cpuid.ts";
import { bootMsrs } from "../firecracker/boot-msrs.ts";
import { brandOf, guestBrand, withBrand } from "../firecracker/brand.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import { isEmulator, isPreRelease, knownLine, snapshotFormat } from "../tables/releases.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { cpuTypeOf, vendorOfCpu } from "../tables/vendors.ts";
import { whyNotTaken, writerOf } from "../profile/arm/takes.ts";
import { writtenFields } from "../profile/arm/written.ts";
import { fieldAddress } from "../format/address.ts";
import { fieldByName } from "../tables/lookup.ts";
import { extract32 } from "../bits.ts";
import { missingAddress } from "../template/apply.ts";
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

type Content = Pick<CpuContract, "cpuid" | "msrs" | "registers">;

function contentOf({ cpuid, registers }: GuestView): Content {
  const msrs: MsrValue[] = [];
  const arm: ArmRegister[] = [];
  for (const [id, value] of registers) {
    if (typeof id === "number") msrs.push({ addr: id, value });
    else arm.push({ id, value });
  }
  return { cpuid: [...cpuid.values()].toSorted(compareEntries), msrs, registers: arm };
}

/** With what Firecracker writes over it on a node that was probed: a fingerprint has it already. */
function booted(
  { cpuid, msrs, registers }: Content,
  { cpu, host }: NodeProfile,
  type: CpuType,
  line: string,
): Content {
  if (isEmulator(line)) return { cpuid, msrs, registers };
  const written = new Map(bootMsrs(line, type).map(({ addr, value }) => [addr, value]));
  const brand = guestBrand(type, host.cpuModel ?? brandOf(indexEntries(cpu.cpuid)));
  return {
    cpuid: cpu.view === "kvm" ? withBrand(cpuid, brand) : cpuid,
    msrs: msrs.map(({ addr, value }) => ({ addr, value: written.get(addr) ?? value })),
    registers,
  };
}

/** What a vCPU feature of aarch64 (SVE, pointer authentication) adds to the registers. */
function notModelled({ vcpuFeatures }: CpuTemplate): string[] {
  return vcpuFeatures.map(
    ({ index }) => `what vcpu_features[${index}] of the template gives the guest is not known`,
  );
}

/** Predicts the contract of a snapshot taken on a node; throws UNKNOWN_VERSION. */
/** Fields that a template writes and KVM leaves as they are, or refuses: guests do not see the template's. */
function notWritten({ cpu, host, kvm }: NodeProfile, template: CpuTemplate): string[] {
  const writer = writerOf(host.kernel, kvm);
  return writtenFields(cpu.registers, template, writer)
    .filter(({ answer }) => answer === "no")
    .map(({ field }) => {
      const why = whyNotTaken(field, writer);
      return `the template does not change ${field.name} (${fieldAddress(field)}): ${why}`;
    });
}

const signatureIn = (cpuid: readonly CpuidEntry[]) => cpuid.find(({ leaf }) => leaf === 1)?.eax;

function has(cpuid: readonly CpuidEntry[], name: string): boolean {
  const field = fieldByName(name);
  if (field === undefined || !("register" in field)) return false;
  const entry = cpuid.find(({ leaf }) => leaf === field.leaf);
  return entry !== undefined && extract32(entry[field.register], field.hi, field.lo) !== 0;
}

/**
 * Verdicts take capabilities of nested virtualization for the same on the same model, and know the
 * model that guests are shown: where that is not the node's own, nothing says which it was.
 */
function nestedElsewhere(guest: readonly CpuidEntry[], own: readonly CpuidEntry[]): string[] {
  if (signatureIn(guest) === signatureIn(own)) return [];
  return ["VMX", "SVM"]
    .filter((name) => has(guest, name))
    .map((name) => `the guest may use ${name} on a model other than the one that it is shown`);
}

export function predictContract(profile: NodeProfile, options: ContractOptions): ContractResult {
  const { cpu, host } = profile;
  const { firecracker, vcpus, smt, template = EMPTY_TEMPLATE } = options;
  const line = knownLine(firecracker);
  const shapedFor = templateArch(template) ?? cpu.arch;
  if (shapedFor !== cpu.arch) return { ok: false, missing: [`the registers of ${shapedFor}`] };
  const type = cpuTypeOf(cpu);
  const facts = {
    arch: cpu.arch,
    vendor: vendorOfCpu(cpu.cpuid),
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
  const incomplete = [
    ...doubtsAbout(profile),
    ...notModelled(template),
    ...notWritten(profile, template),
  ];
  if (type === undefined) {
    const { cpuid, msrs, registers } = cpu;
    return { ok: true, contract: { ...facts, cpuid, msrs, registers, unbacked: [], incomplete } };
  }
  const guestWith = (shape: CpuTemplate) =>
    simulate(cpu, type, line, shape, { vcpus, smt, index: 0 }, isPreRelease(firecracker));
  const view = guestWith(template);
  if (view.missing.length > 0) return { ok: false, missing: view.missing.map(missingAddress) };
  const guest = booted(contentOf(view), profile, type, line);
  const isShaped = template !== EMPTY_TEMPLATE;
  const unbacked = isShaped
    ? unbackedPromises(guest, contentOf(guestWith(EMPTY_TEMPLATE)), type)
    : [];
  incomplete.push(...nestedElsewhere(guest.cpuid, cpu.cpuid));
  return { ok: true, contract: { ...facts, ...guest, unbacked, incomplete } };
}
