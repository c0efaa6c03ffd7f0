/** Predicting a contract: the guest CPU of a snapshot that a node would take. */
import { compareEntries, indexEntries, type ArmRegister, type MsrValue } from "../cpuid.ts";
import { bootMsrs } from "../firecracker/boot-msrs.ts";
import { brandOf, guestBrand, withBrand } from "../firecracker/brand.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import { isEmulator, isPreRelease, knownLine, snapshotFormat } from "../tables/releases.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { cpuTypeOf, vendorOfCpu } from "../tables/vendors.ts";
import { missingAddress } from "../template/apply.ts";
import { EMPTY_TEMPLATE, templateArch, type CpuTemplate } from "../template/template.ts";
import type { CpuContract } from "./contract.ts";
import { doubtsAbout, doubtsAboutNesting, doubtsAboutTemplate } from "./doubts.ts";
import { unbackedPromises } from "./unbacked.ts";

export interface ContractOptions {
  readonly firecracker: string;
  readonly vcpus: number;
  readonly smt: boolean;
  readonly template?: CpuTemplate;
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

/** Predicts the contract of a snapshot taken on a node; throws UNKNOWN_VERSION. */
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
  const incomplete = [...doubtsAbout(profile), ...doubtsAboutTemplate(profile, template)];
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
  const nested = doubtsAboutNesting(guest, cpu.cpuid, type);
  return {
    ok: true,
    contract: { ...facts, ...guest, unbacked, incomplete: [...incomplete, ...nested] },
  };
}
