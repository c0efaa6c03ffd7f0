import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyOf } from "../src/cpuid.ts";
import { decode } from "../src/inspect/decode.ts";
import { stateOfCpu } from "../src/profile/state.ts";
import { planPool } from "../src/plan/pools.ts";
import { predictContract } from "../src/contract/make.ts";
import { judge } from "../src/verdict/judge.ts";
import { formatProfile } from "../src/profile/file.ts";
import { readAida } from "../src/read/raw/aida.ts";
import type { RawDump } from "../src/kvm/dump.ts";
import { readLibvirt } from "../src/read/raw/libvirt.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import {
  aidaAffinity,
  aidaSections,
  changed,
  cpudata,
  CPUID_TOOL,
  fixture,
  OWN,
  profileFrom,
  refusalOf,
} from "./raw-support.ts";

/** What is set and is no number. */
function features({ cpu }: NodeProfile): Set<string> {
  const state = stateOfCpu(cpu);
  const fields = state === undefined ? [] : decode(state);
  const kinds = new Set(["feature", "union", "remedy", "reserved"]);
  return new Set(fields.filter(({ kind }) => kinds.has(kind)).map(({ name }) => name));
}

describe("one CPU in every format of registers is one guest", () => {
  const whole = profileFrom(CPUID_TOOL);

  test.each([
    ["cpuid -r of two CPUs", CPUID_TOOL],
    ["cpuid -1 -r", CPUID_TOOL.replace("CPU 0:", "CPU:").split("CPU 1:")[0] ?? ""],
    ["AIDA64 by sections", aidaSections([OWN, OWN])],
    ["InstLatX64 by affinity", aidaAffinity([OWN, OWN])],
    ["AIDA64 with Unix line ends", aidaSections([OWN]).replaceAll("\r", "")],
    ["one CPU without a head", aidaSections([OWN]).split("\r\n").slice(3).join("\r\n")],
    ["libvirt cpudata", cpudata(OWN)],
    ["a byte order mark before", `\uFEFF${cpudata(OWN)}`],
  ])("%s", (_, text) => {
    const profile = profileFrom(text);
    expect(profile.cpu).toEqual(whole.cpu);
    expect(profile.estimate).toBe(true);
    expect(profile.incomplete).toEqual([]);
  });

  test("it says what it is made from, and that it was made in a VM", () => {
    expect(whole.provenance).toBe("estimated from cpuid -r for Linux 6.1, not measured");
    expect(whole.notes).toContain("dumped inside a virtual machine");
    expect(whole.host).toMatchObject({ kernel: "6.1", cpuModel: "AMD EPYC" });
  });

  test("it survives its file", () => {
    expect(profileFrom(formatProfile(whole))).toEqual(whole);
  });
});

test("registers survive every format of registers", () => {
  const word = fc.nat({ max: 0xffff_ffff });
  const entry = fc.record({
    leaf: fc.constantFrom(0x0, 0x1, 0x4, 0x7, 0xd, 0x8000_0001, 0x8000_001d),
    subleaf: fc.nat({ max: 0xff }),
    flags: fc.constant(0),
    eax: word,
    ebx: word,
    ecx: word,
    edx: word,
  });
  const marked = new Set([0x4, 0x7, 0xd, 0x8000_001d]);
  const entries = fc
    .uniqueArray(entry, { minLength: 1, maxLength: 40, selector: keyOf })
    // Only leaves with subleaves have them in AIDA64's text.
    .map((all) => all.filter(({ leaf, subleaf }) => subleaf === 0 || marked.has(leaf)))
    .filter((all) => all.length > 0);
  fc.assert(
    fc.property(entries, (all) => {
      const raw = (dump: RawDump) => [...dump.cpus[0].entries.values()];
      expect(raw(readLibvirt(cpudata(all)))).toEqual(all);
      expect(raw(readAida(aidaSections([all])))).toEqual(all);
      expect(raw(readAida(aidaAffinity([all])))).toEqual(all);
    }),
  );
});

describe("an estimate", () => {
  test("can be planned, with a warning, and is never compatible", () => {
    const profile = profileFrom(CPUID_TOOL);
    const result = planPool([profile]);
    expect(result.ok && result.plan.warnings.join()).toContain("is an estimate");
    const contract = predictContract(profile, { firecracker: "1.14.1", vcpus: 1, smt: false });
    if (!contract.ok) throw new Error("must boot");
    expect(judge(contract.contract, profile).verdict).toBe("unknown");
  });

  test("follows the host's kernel", () => {
    const at = (kernel: string) => features(profileFrom(aidaSections([OWN]), kernel));
    expect(at("6.1").has("SBPB")).toBe(false);
    expect(at("6.8").has("SBPB")).toBe(true);
    expect(at("6.8.0-45-generic")).toEqual(at("6.8"));
  });

  test.each(["5.4", "six", "", "6", "-1.2"])("of Linux %j is refused", (kernel) => {
    expect(refusalOf(CPUID_TOOL, kernel)).toMatch(/^UNKNOWN_KERNEL/);
  });

  test("shows nothing that KVM does not pass on", () => {
    const all = OWN.map((e) => ({ ...e, ...(e.leaf === 7 ? { edx: 0xffff_ffff } : {}) }));
    const shown = features(profileFrom(cpudata(all)));
    expect(shown.has("MD_CLEAR")).toBe(true);
    for (const name of ["PCONFIG", "HYBRID", "UINTR", "reserved"])
      expect(shown).not.toContain(name);
  });
});

describe("MSR lines", () => {
  const intel = changed(
    changed(OWN, 0, 0, { ebx: 0x756e_6547, edx: 0x4965_6e69, ecx: 0x6c65_746e }),
    1,
    0,
    { eax: 0x0005_0657 },
  );
  const msr = (text: string) => aidaSections([intel], [text]);

  test("IA32_ARCH_CAPABILITIES is filtered by KVM's mask", () => {
    const { cpu } = profileFrom(msr("MSR 0000010A: 0000-0000-0000-3C2B"));
    // GDS_NO, RFDS_NO, IF_PSCHANGE_MC_NO and SKIP_L1DFL_VMENTRY are KVM's own; 10 to 12 are hidden.
    expect(cpu.msrs.find(({ addr }) => addr === 0x10a)?.value).toBe(0x0c00_206bn);
  });

  test("without it the catalogue's model decides, and the profile says so", () => {
    const profile = profileFrom(aidaSections([intel]));
    expect(profile.notes?.join()).toContain("the catalogue's Cascade Lake");
    expect(features(profile)).toContain("RRSBA");
  });

  test("on an unknown model no immunity is assumed", () => {
    const unknown = changed(intel, 1, 0, { eax: 0x0006_06f6 });
    const profile = profileFrom(aidaSections([unknown]));
    expect(profile.notes?.join()).toContain("none of its immunity or vulnerability bits");
    expect(features(profile)).not.toContain("RDCL_NO");
  });

  test("the microcode revision is the high half on Intel and the low half on AMD", () => {
    expect(profileFrom(msr("MSR 0000008B: 0500-3901-0000-0000")).host.microcode).toBe("0x5003901");
    const amd = aidaSections([OWN], ["MSR 0000008B: 0000-0000-0A00-1119"]);
    expect(profileFrom(amd).host.microcode).toBe("0xa001119");
  });

  test("an MSR that could not be read is skipped", () => {
    expect(profileFrom(msr("MSR C0010070: < FAILED >")).incomplete).toEqual([]);
  });
});

describe("cores that are not alike", () => {
  test("are refused with the features and both lines", () => {
    const small = changed(OWN, 7, 0, { ebx: 0x219c_07ab & ~(1 << 5) });
    expect(refusalOf(aidaSections([OWN, OWN, small]))).toMatch(
      /^UNLIKE_CORES line \d+: CPU 2 differs from CPU 0 \(line 1\) in AVX2 \(CPUID\.\(EAX=07H,ECX=0\):EBX\[5\]\)$/,
    );
  });

  test("may differ in what no guest sees", () => {
    const other = changed(changed(OWN, 1, 0, { ebx: 0x0302_0800 }), 6, 0, { eax: 0x0000_00f7 });
    expect(profileFrom(aidaAffinity([OWN, other])).incomplete).toEqual([]);
  });

  test("in /proc/cpuinfo are found by their flags", () => {
    const text = fixture("cpuinfo.txt");
    const at = text.lastIndexOf(" avx2");
    expect(refusalOf(text.slice(0, at) + text.slice(at + 5))).toMatch(/^UNLIKE_CORES .*AVX2/);
  });
});

describe("names of flags", () => {
  test("/proc/cpuinfo and the catalogue give what the registers give", () => {
    const text = fixture("cpuinfo.txt");
    expect(features(profileFrom(text))).toEqual(features(profileFrom(CPUID_TOOL)));
  });

  test("features without a Linux flag are missing on a model that is not in the catalogue", () => {
    const flags = features(
      profileFrom(fixture("cpuinfo.txt").replaceAll("model		: 1", "model		: 9")),
    );
    const known = features(profileFrom(CPUID_TOOL));
    expect([...flags].filter((name) => !known.has(name))).toEqual([]);
    expect([...known].filter((name) => !flags.has(name))).toEqual([
      "STIBP_ALWAYS_ON",
      "AMD_PSFD",
      "MOVU",
      "FP256",
      // With leaf 0x80000021, which an unknown model is not taken to have.
      "NO_NESTED_DATA_BP",
      "LFENCE_SERIALIZING",
      "VERW_CLEAR",
      "NULL_SELECTOR_CLEARS_BASE",
      "NO_SMM_CTL_MSR",
    ]);
  });

  test("flags without a row are listed, except the kernel's own", () => {
    const text = fixture("cpuinfo.txt").replaceAll(" rep_good", " rep_good warpdrive");
    const notes = profileFrom(text).notes?.join("\n") ?? "";
    expect(notes).toContain("flags without a row in the tables: warpdrive");
  });

  test("QEMU's answer is found among all that it printed", () => {
    const profile = profileFrom(fixture("qemu-max.txt"));
    expect(features(profile)).toContain("AVX2");
    expect(profile.incomplete.join()).toContain("the catalogue does not know this model");
  });

  test("a model of the catalogue completes what flags do not say", () => {
    const props = { vendor: "GenuineIntel", family: 6, model: 106, stepping: 6, level: 27 };
    const names = ["fpu", "xsave", "avx", "avx2", "avx512f", "pku", "sse4.1", "ssbd", "spec-ctrl"];
    const all = { ...props, ...Object.fromEntries(names.map((name) => [name, true])), adx: false };
    const profile = profileFrom(
      JSON.stringify({ return: { model: { name: "host", props: all } } }),
    );
    expect(profile.incomplete).toEqual(["the dump lacks CPUID.80000001H"]);
    const shown = features(profile);
    for (const name of ["AVX512F", "XCR0_PKRU", "SSE4_1", "AMD_SSBD"])
      expect(shown).toContain(name);
    expect(shown).not.toContain("ADX");
  });
});

describe("damaged dumps are located", () => {
  const aida = aidaSections([OWN, OWN]);
  test.each([
    ["hello", "UNKNOWN_FORMAT line 1: neither JSON nor a known CPU dump format"],
    [
      "CPU 0:\n   0x00000000 0x00: eax=0x00000010 ebx=0x0 ecx=0x0 edx=0x0",
      "BAD_DUMP line 2: is neither",
    ],
    [
      CPUID_TOOL.replace("0x00000001 0x00", "0x00000000 0x00"),
      "BAD_DUMP line 3: duplicate leaf for CPU 0",
    ],
    [CPUID_TOOL.split("\n").slice(2).join("\n"), "BAD_DUMP line 1: CPUID.00H is absent"],
    [aida.replace("CPUID 00000007:", "CPUID 0000X007:"), "BAD_DUMP line 11: is damaged"],
    [aida.replace("-68747541-", "-6874754-"), "BAD_DUMP line 4: is damaged"],
    [
      aidaAffinity([OWN, OWN]).split("\r\n").slice(0, -9).join("\r\n"),
      "the dump ends in the middle of CPU 1",
    ],
    [cpudata(OWN).replace("</cpudata>", ""), "the text ends before </cpudata>"],
    [
      cpudata(OWN).replace("arch='x86'", "arch='ppc64'"),
      'BAD_DUMP line 2: arch must be x86, but is "ppc64"',
    ],
    [cpudata(OWN, "  <msr index='0x10a' eax='0x1'/>\n"), "<msr> lacks edx"],
    [cpudata(OWN, "  <feature name='avx'/>\n"), "unknown element <feature>"],
    [cpudata(OWN).replace("eax='0x", "eax='&x;"), "damaged attribute"],
    ["<!DOCTYPE cpudata [<!ENTITY a 'b'>]><cpudata/>", "BAD_DUMP line 1: not an XML tag"],
    ["<cpudata arch='x86'></cpudata>", "BAD_DUMP line 1: names no CPUID leaf"],
    [
      fixture("cpuinfo.txt").replace("AuthenticAMD", "HygonGenuine"),
      'unknown vendor "HygonGenuine"',
    ],
    [
      fixture("cpuinfo.txt").replace("cpu family\t: 25", "cpu family\t: twenty"),
      '"cpu family" must be a number',
    ],
    [
      "processor\t: 0\nFeatures\t: fp asimd\n",
      "aarch64's /proc/cpuinfo does not show ID registers",
    ],
    [
      '{"model":{"props":{"vendor":"x"}}}',
      "BAD_FIELD model.props.vendor: must be GenuineIntel or AuthenticAMD; model.props.family",
    ],
  ])("%#", (text, expected) => {
    expect(refusalOf(text)).toContain(expected);
  });

  test("missing leaves make a profile incomplete, and a plan refuses it", () => {
    const short = profileFrom(cpudata(OWN.filter(({ leaf }) => leaf !== 0xd)));
    expect(short.incomplete).toEqual([
      "the dump lacks CPUID.(EAX=0DH,ECX=0) and CPUID.(EAX=0DH,ECX=1)",
    ]);
    expect(planPool([short]).ok).toBe(false);
  });
});
