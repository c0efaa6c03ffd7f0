import { fieldByName } from "@evenkeel/core";
import { Code, CodeExt, CpuidFeature, Decoder } from "iced-x86";
import { expect, test } from "vitest";
import { CPUID_FIELDS } from "../../core/src/tables/lookup.ts";
import { enablementOf, requirementsOf } from "../src/index.ts";
import { ICED_FEATURES } from "../src/features/map.ts";

function membersOf(enumeration: object): string[] {
  return Object.keys(enumeration).filter((name) => !/^\d+$/.test(name));
}

const CODES = membersOf(Code).map((name) => ({ name, code: Code[name as keyof typeof Code] }));

/** The forms that exist in 64-bit mode on the CPUs that run microVMs. */
const CODES_64 = CODES.filter(({ name, code }) => {
  const info = CodeExt.opCode(code);
  const in64 = info.mode64;
  info.free();
  return in64 && !/KNC_|^INVALID$|^Declare/.test(name);
});

function decoded(hex: string) {
  const bytes = Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));
  const decoder = new Decoder(64, bytes, 0);
  const instruction = decoder.decode();
  const { code, length } = instruction;
  instruction.free();
  decoder.free();
  expect(length).toBe(bytes.length);
  return requirementsOf(code);
}

test("every feature that iced knows is mapped or has a reason", () => {
  expect(Object.keys(ICED_FEATURES).toSorted()).toEqual(membersOf(CpuidFeature).toSorted());
  const empty = Object.entries(ICED_FEATURES).filter(([, mapping]) =>
    mapping.kind === "none" ? mapping.reason.length < 10 : mapping.rows.length === 0,
  );
  expect(empty).toEqual([]);
});

test("every mapped row exists and is a feature", () => {
  const rows = Object.values(ICED_FEATURES).flatMap((m) => (m.kind === "none" ? [] : m.rows));
  expect(rows.filter((name) => fieldByName(name)?.kind !== "feature")).toEqual([]);
});

/** Instructions of these rows are newer than iced 1.21, or the row has none of its own. */
const WITHOUT_INSTRUCTIONS = [
  "AMX_AVX512",
  "AMX_BF16_ALIAS",
  "AMX_COMPLEX_ALIAS",
  "AMX_FP16_ALIAS",
  "AMX_FP8",
  "AMX_INT8_ALIAS",
  "AMX_MOVRS",
  "AMX_TF32",
  "APX_F",
  "AVX10",
  "AVX10_128",
  "AVX10_256",
  "AVX10_512",
  "AVX10_VNNI_INT",
  "AVX512_BMM",
  // The mode that is decoded here.
  "LM",
  // Alignment, not an instruction.
  "MISALIGNSSE",
  // MMX instructions of AMD's K7, all of which SSE has too.
  "MMXEXT",
  "MOVRS",
  "SGX",
  "SGX2",
  "USER_MSR",
  // XGETBV with ECX=1.
  "XGETBV1",
];

test("every row of an instruction is reached, or is known to have no instruction", () => {
  const reached = new Set(
    CODES_64.flatMap(({ code }) => {
      const { features, oneOf } = requirementsOf(code);
      return [...features, ...oneOf];
    }),
  );
  const instructions = CPUID_FIELDS.filter(
    ({ kind, readBy, loss }) => kind === "feature" && readBy === "user" && loss !== "slower",
  ).map(({ name }) => name);
  expect(instructions.filter((name) => !reached.has(name)).toSorted()).toEqual(
    WITHOUT_INSTRUCTIONS,
  );
});

test("another instruction stands in exactly where the bytes are another one", () => {
  const standIns = CODES_64.flatMap(({ code }) => {
    const { without, standIn } = requirementsOf(code);
    expect(standIn !== undefined).toBe(without === "silent" || without === "harmless");
    return standIn ?? [];
  });
  expect(new Set(standIns)).toEqual(new Set(["BSF", "BSR", "WBINVD"]));
});

test.each([
  // bytes, features
  ["62 f2 7d 48 75 c1", ["AVX512_VBMI"]], // vpermi2b zmm0, zmm0, zmm1
  ["62 f2 7d 28 75 c1", ["AVX512VL", "AVX512_VBMI"]], // vpermi2b ymm0, ymm0, ymm1
  ["62 f1 7d 48 fe c1", ["AVX512F"]], // vpaddd zmm0, zmm0, zmm1
  ["62 f1 7d 08 fe c1", ["AVX512VL", "AVX512F"]], // vpaddd xmm0, xmm0, xmm1, EVEX
  ["c5 fd fe c1", ["AVX2"]], // vpaddd ymm0, ymm0, ymm1
  ["c5 f9 fe c1", ["AVX"]], // vpaddd xmm0, xmm0, xmm1
  ["66 0f fe c1", ["SSE2"]], // paddd xmm0, xmm1
  ["c4 e2 7d dc c1", ["VAES"]], // vaesenc ymm0, ymm0, ymm1
  ["62 f2 7d 48 dc c1", ["AVX512F", "VAES"]], // vaesenc zmm0, zmm0, zmm1
  ["c4 e2 71 50 c2", ["AVX_VNNI"]], // vpdpbusd xmm0, xmm1, xmm2, VEX
  ["c4 e2 73 5e c2", ["AMX_INT8"]], // tdpbssd tmm0, tmm2, tmm1
  ["f3 0f bc c1", ["BMI1"]], // tzcnt eax, ecx
  ["9f", ["LAHF_LM"]], // lahf
  ["01 c8", []], // add eax, ecx
])("%s needs %j", (hex, features) => {
  expect(decoded(hex).features.toSorted()).toEqual(features.toSorted());
});

test.each([
  ["f3 0f bc c1", "silent", "BSF"],
  ["f3 0f bd c1", "silent", "BSR"],
  ["f3 0f 09", "harmless", "WBINVD"],
  ["f3 0f 1e fa", "no-op", undefined], // endbr64
  ["0f 1c 00", "no-op", undefined], // cldemote
  ["0f 0d 08", "no-op", undefined], // prefetchw
  ["f3 48 0f 1e c8", "no-op", undefined], // rdsspq
  ["f3 48 0f ae e8", "fault", undefined], // incsspq
  ["c4 e2 70 f2 c2", "fault", undefined], // andn: of BMI1 like tzcnt, but it faults
])("%s without its feature: %s", (hex, without, standIn) => {
  const requirements = decoded(hex);
  expect([requirements.without, requirements.standIn]).toEqual([without, standIn]);
});

test.each([
  ["0f 01 c2", "vmm"], // vmlaunch
  ["0f 01 d8", "vmm"], // vmrun
  ["0f 01 c1", "kernel"], // vmcall
  ["0f 01 d9", "user"], // vmmcall
  ["0f 30", "kernel"], // wrmsr
  ["0f a2", "user"], // cpuid
])("%s is for the %s", (hex, privilege) => {
  expect(decoded(hex).privilege).toBe(privilege);
});

test("what the kernel must switch on follows from the rows", () => {
  const controls = (...features: string[]) => enablementOf(features).map(({ control }) => control);
  expect(controls("SSE2")).toEqual([]);
  expect(controls("AVX2")).toEqual(["XCR0[2]", "CR4.OSXSAVE[18]"]);
  expect(controls("AVX512_VBMI")).toEqual([
    "XCR0[2]",
    "XCR0[5]",
    "XCR0[6]",
    "XCR0[7]",
    "CR4.OSXSAVE[18]",
  ]);
  expect(controls("AMX_INT8")).toEqual([
    "XCR0[17]",
    "XCR0[18]",
    "arch_prctl(ARCH_REQ_XCOMP_PERM, 18)",
    "CR4.OSXSAVE[18]",
  ]);
});
