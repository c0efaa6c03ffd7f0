/**
 * Linux's `/proc/cpuinfo`: names of flags, one section per logical CPU. It shows what the host's
 * kernel uses, by the kernel's own names; some bits have no name there.
 * Source: arch/x86/kernel/cpu/proc.c and arch/x86/include/asm/cpufeatures.h.
 */
import { fail } from "../../errors.ts";
import { words } from "../../tables/words.ts";
import type { Vendor } from "../../tables/field.ts";
import { vendorNamed } from "../../tables/vendors.ts";
import { at, badDump, type RawCpu, type RawDump } from "../../kvm/dump.ts";
import { MOST_CPUS, numberedLines } from "./dump.ts";
import { composeCpu, type NamedCpu } from "./names.ts";

/** Words that are the kernel's own: no CPUID bit that a guest could see stands behind them. */
const KERNELS_OWN: ReadonlySet<string> = new Set(
  words(`3dnow_prefetch amd_dcm arch_perfmon art bts cat_l2 cat_l3 cdp_l2 cdp_l3 constant_tsc cpuid
   cqm_llc cqm_mbm_local cqm_mbm_total cqm_occup_llc ept ept_ad ept_1gb extd_apicid flexpriority
   ibrs_enhanced intel_ppin invpcid_single nonstop_tsc_s3 nopl pebs pti rep_good retpoline
   retpoline_amd rsb_ctxsw tpr_shadow tsc_known_freq tsc_reliable vmmcall vpid xtopology
   avic decodeassists flushbyasid lbrv nrip_save npt pausefilter pfthreshold svm_lock
   tsc_scale v_spec_ctrl v_vmsave_vmload vgif vmcb_clean vnmi x2avic`),
);

/** Rows that Linux prints no word for, of those that KVM passes on. */
const UNSAID: ReadonlySet<string> = new Set(
  words(`
    FDP_EXCPTN_ONLY ZERO_FCS_FDS STIBP_ALWAYS_ON AMD_PSFD AMD_SSB_NO IBRS_SAME_MODE IBPB_RET
    PSFD IPRED_CTRL RRSBA_CTRL DDPD_U BHI_CTRL MCDT_NO FZRM FSRS FSRC XFD FP128 MOVU FP256
    NO_NESTED_DATA_BP FSGS_NON_SERIALIZING LFENCE_SERIALIZING NULL_SELECTOR_CLEARS_BASE AUTO_IBRS
    AMD_PREFETCHI SRSO_NO SRSO_USER_KERNEL_NO AVX10_128 AVX10_256 AVX10_512`),
);

export function isCpuinfo(text: string): boolean {
  return /^processor[ \t]*: /m.test(text) && /^(?:flags|Features)[ \t]*:/m.test(text);
}

interface Section {
  readonly line: number;
  readonly values: Map<string, string>;
}

function sections(text: string): Section[] {
  const found: Section[] = [];
  for (const [line, number] of numberedLines(text)) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    if (colon < 0) badDump(number, "is not `name : value`");
    const name = line.slice(0, colon).trim();
    if (name === "processor") {
      if (found.length === MOST_CPUS) badDump(number, `more than ${MOST_CPUS} processors`);
      found.push({ line: number, values: new Map() });
    }
    const section = found.at(-1);
    if (section === undefined) return badDump(number, "is before the first processor");
    if (section.values.has(name)) badDump(number, `duplicate ${name}`);
    section.values.set(name, line.slice(colon + 1).trim());
  }
  return found;
}

function numberOf({ values, line }: Section, name: string, most: number): number {
  const text = values.get(name);
  if (text === undefined) return badDump(line, `the processor has no "${name}"`);
  if (/^\d{1,10}$/.test(text) && Number(text) <= most) return Number(text);
  return badDump(line, `"${name}" must be a number up to ${most}, but is ${JSON.stringify(text)}`);
}

function vendorOfSection({ values, line }: Section): Vendor {
  const name = values.get("vendor_id") ?? "";
  const vendor = vendorNamed(name);
  return vendor ?? badDump(line, `unknown vendor ${JSON.stringify(name)}`);
}

function addressBits(text: string | undefined): readonly [number?, number?] {
  const found = /^(\d{1,2}) bits physical, (\d{1,2}) bits virtual$/.exec(text ?? "");
  return found === null ? [] : [Number(found[1]), Number(found[2])];
}

function namedCpu(section: Section): NamedCpu {
  const { values, line } = section;
  const [physicalBits, linearBits] = addressBits(values.get("address sizes"));
  return {
    label: `processor ${values.get("processor") ?? "?"}`,
    line,
    vendor: vendorOfSection(section),
    signature: {
      family: numberOf(section, "cpu family", 0x10e),
      model: numberOf(section, "model", 0xff),
      stepping: numberOf(section, "stepping", 0xf),
    },
    brand: values.get("model name"),
    unsaid: UNSAID,
    flags: (values.get("flags") ?? "").split(/\s+/).filter((flag) => flag !== ""),
    maxBasicLeaf: numberOf(section, "cpuid level", 0xff),
    physicalBits,
    linearBits,
  };
}

/** The sections that differ from the first, and the first. */
function unlike(all: readonly Section[]): readonly Section[] {
  const key = ({ values }: Section) =>
    JSON.stringify(["cpu family", "model", "stepping", "flags"].map((name) => values.get(name)));
  return [
    ...new Map(all.toReversed().map((section) => [key(section), section])).values(),
  ].toReversed();
}

export function readCpuinfo(text: string): RawDump {
  if (/^Features[ \t]*:/m.test(text)) {
    return fail("UNKNOWN_FORMAT", "aarch64's /proc/cpuinfo does not show ID registers", at(1));
  }
  const composed = unlike(sections(text)).map((section) => composeCpu(namedCpu(section)));
  const [first, ...rest] = composed.map(({ cpu }) => cpu);
  if (first === undefined) return badDump(1, "names no processor");
  const values = sections(text)[0]?.values ?? new Map<string, string>();
  const unknown = (composed[0]?.unknown ?? []).filter((flag) => !KERNELS_OWN.has(flag));
  const microcode = values.get("microcode");
  return {
    format: "/proc/cpuinfo",
    cpus: [first, ...(rest satisfies RawCpu[])],
    host: microcode === undefined ? {} : { microcode },
    notes: [
      "flags only: bits that Linux has no name for are taken from the catalogue's model",
      ...(unknown.length === 0 ? [] : [`flags without a row in the tables: ${unknown.join(" ")}`]),
    ],
    incomplete: composed[0]?.incomplete ?? [],
  };
}
