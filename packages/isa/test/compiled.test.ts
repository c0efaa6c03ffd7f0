/** What a compiler was told to use is what a scan finds, and when it runs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { FileScan } from "../src/scan/result.ts";
import { scanFile } from "../src/scan/scan-file.ts";
import { EXERCISES, exerciseSource } from "./exercises.ts";
import { hasTool, run, temporaryDirectory } from "./tools.ts";

function scanned(path: string): FileScan {
  const [result] = scanFile("it", path);
  if (result?.status !== "scanned") throw new Error(JSON.stringify(result));
  return result.scan;
}

function compile(source: string, flags: readonly string[]): FileScan {
  const directory = temporaryDirectory();
  const [input, output] = [join(directory, "in.c"), join(directory, "out")];
  writeFileSync(input, source);
  run("gcc", ["-O2", "-w", "-o", output, ...flags, input]);
  return scanned(output);
}

const SHARED = ["-shared", "-fPIC"];

/** The macros by which GCC tells a program what it may use. */
function macrosOf(flags: readonly string[]): Set<string> {
  const text = run("gcc", ["-dM", "-E", ...flags, "-"], "");
  return new Set([...text.matchAll(/^#define (__\w+__) 1$/gm)].map(([, name]) => name ?? ""));
}

/** Whether this GCC knows the name; the features are GCC's list for it otherwise. */
function marchZnver4(): string[] {
  try {
    run("gcc", ["-march=znver4", "-E", "-"], "");
    return ["-march=znver4"];
  } catch {
    const parts = "f dq ifma cd bw vl bf16 vbmi vbmi2 vnni bitalg vpopcntdq".split(" ");
    return ["-march=znver3", "-mgfni", ...parts.map((part) => `-mavx512${part}`)];
  }
}

const TARGETS: Readonly<Record<string, () => string[]>> = {
  "the baseline": () => ["-march=x86-64"],
  "-mavx2": () => ["-mavx2"],
  "-march=icelake-server": () => ["-march=icelake-server"],
  "-march=znver4": marchZnver4,
};

describe.runIf(hasTool("gcc"))("with gcc", () => {
  test.each(Object.keys(TARGETS))("a library built for %s shows exactly its own", (name) => {
    const flags = TARGETS[name]?.() ?? [];
    const macros = macrosOf(flags);
    const expected = EXERCISES.filter(
      ({ macro, unless }) => macros.has(macro) && (unless === undefined || !macros.has(unless)),
    ).flatMap(({ rows }) => rows);
    const { features, asks } = compile(exerciseSource(), [...flags, ...SHARED]);
    expect(features.map(({ feature }) => feature)).toEqual([...new Set(expected)].toSorted());
    expect(new Set(features.map(({ use }) => use)).size).toBeLessThanOrEqual(1);
    expect(features.every(({ use, sure }) => use === "unasked" && sure === "certain")).toBe(true);
    expect(asks).toEqual([]);
  });

  test("a program built for the baseline needs nothing, asks nothing", () => {
    const source = "#include <stdio.h>\nint main(int c, char **v) { return printf(*v, c / 3.0); }";
    const { kind, features, asks, code } = compile(source, []);
    expect({ kind, features, asks }).toEqual({ kind: "executable", features: [], asks: [] });
    expect(code.unread).toBe(0);
  });

  const GUARDED = `
#include <immintrin.h>
int answer;
__attribute__((target("avx2"), noinline)) __m256i wide(__m256i a) { return _mm256_add_epi8(a, a); }
__attribute__((target("avx2"))) void fast(__m256i *p) { *p = wide(*p); }
void choose(void *p) { if (__builtin_cpu_supports("avx2")) fast(p); }`;

  function useOf({ features }: FileScan, name: string) {
    return features.find(({ feature }) => feature === name)?.use;
  }

  test("what __builtin_cpu_supports guards is chosen", () => {
    const source = `${GUARDED}\nint main(int c, char **v) { choose(v); return 0; }`;
    const scan = compile(source, []);
    expect(scan.asks.map(({ what }) => what)).toContain("GCC/Clang __builtin_cpu_supports");
    expect(useOf(scan, "AVX2")).toBe("chosen");
  });

  test("a call around the question is unguarded, and the path is shown", () => {
    const source = `${GUARDED}\nint main(int c, char **v) { if (c > 1) fast((void *)v); choose(v); }`;
    const scan = compile(source, ["-fno-inline"]);
    const avx2 = scan.features.find(({ feature }) => feature === "AVX2");
    expect(avx2?.use).toBe("unguarded");
    expect(avx2?.examples[0]?.path?.slice(-2)).toEqual(["fast", "wide"]);
  });

  test("what main does first always runs, whoever asks elsewhere", () => {
    const source = `${GUARDED}
volatile __m256i v;
__attribute__((target("avx2"))) int main(int c, char **a) { v = _mm256_add_epi8(v, v); choose(a); }`;
    expect(useOf(compile(source, []), "AVX2")).toBe("always");
    expect(useOf(compile(source, ["-no-pie"]), "AVX2")).toBe("always");
  });

  test("a constructor always runs", () => {
    const source = `${GUARDED}
volatile __m256i v;
__attribute__((target("avx2"), constructor)) void early(void) { v = _mm256_add_epi8(v, v); }`;
    expect(useOf(compile(source, SHARED), "AVX2")).toBe("always");
  });

  test("target_clones are chosen by an ifunc, stripped or not", () => {
    const source = `__attribute__((target_clones("avx2", "default")))
void add(int *a, int *b) { for (int i = 0; i < 4096; i++) a[i] += b[i]; }`;
    for (const strip of [[], ["-s"]]) {
      const scan = compile(source, ["-O3", ...SHARED, ...strip]);
      expect(scan.asks.some(({ kind }) => kind === "ifunc")).toBe(true);
      expect(useOf(scan, "AVX2")).toBe("chosen");
    }
  });

  test("a stripped file without unwinding tables is read along its calls", () => {
    const source = `#include <immintrin.h>
__attribute__((target("sha"), noinline)) __m128i deep(__m128i a) { return _mm_sha1msg1_epu32(a, a); }
__attribute__((noinline)) static int between(int c) { return _mm_extract_epi16(deep(_mm_set1_epi32(c)), 0); }
int main(int c, char **v) { return between(c); }`;
    const flags = ["-s", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    expect(useOf(compile(source, flags), "SHA")).toBe("always");
  });

  test("data between instructions is no finding", () => {
    const source = `
__asm__(".text\\n.globl f\\n.type f,@function\\nf: ret\\n.size f, .-f\\n.balign 64\\n"
        "table: .rept 64\\nvpaddd %zmm1, %zmm2, %zmm3\\naesenc %xmm1, %xmm2\\n.endr\\n");
extern void f(void);
int main(void) { f(); return 0; }`;
    const { features, code } = compile(source, []);
    expect(features).toEqual([]);
    expect(code.unread).toBeGreaterThan(64 * 8);
  });

  test("a table that code only points to is doubtful at most", () => {
    const source = `
__asm__(".text\\n.globl f\\n.type f,@function\\nf: lea table(%rip), %rax\\nret\\n.size f, .-f\\n"
        ".balign 64\\ntable: vpaddd %zmm1, %zmm2, %zmm3\\n.byte 0x06, 0x06, 0x06, 0x06\\n"
        ".fill 64, 1, 0x06\\n");
extern void f(void);
int main(void) { f(); return 0; }`;
    const { features } = compile(source, []);
    expect(features.map(({ sure }) => sure)).toEqual(["doubtful"]);
  });

  test("switch cases that only a table leads to are likely", () => {
    const source = `#include <immintrin.h>
volatile int sink; volatile __m128i v;
__attribute__((target("sha"))) void f(int c) {
  switch (c) {
    case 0: sink = 1; break; case 1: sink = 7; break; case 2: sink = 9; break;
    case 3: v = _mm_sha1msg1_epu32(v, v); sink = 2; break; case 4: sink = 5; break;
    case 5: sink = 11; break; case 6: sink = 13; break;
  }
}`;
    const { features } = compile(source, [...SHARED, "-fcf-protection=none"]);
    expect(features.map(({ feature, sure }) => [feature, sure])).toEqual([["SHA", "likely"]]);
  });

  test("a declared level is reported", () => {
    const source = "int f(void) { return 1; }";
    const scan = compile(source, [...SHARED, "-Wl,-z,x86-64-v3"]);
    expect(scan.declares.needed).toContain("x86-64-v3");
  });

  test("a check that one caller skips with a constant is no check for that caller", () => {
    // `odd`, which only a table leads to, passes 1 where `even` passes the CPU's answer.
    const source = `__asm__(".intel_syntax noprefix\\n.text\\n.globl _start\\n"
      "detect: push rbx\\n mov eax,7\\n xor ecx,ecx\\n cpuid\\n mov eax,ebx\\n shr eax,5\\n"
      "and eax,1\\n pop rbx\\n ret\\n"
      "h1: sub rsp,8\\n call detect\\n add rsp,8\\n ret\\n"
      "h2: sub rsp,8\\n call h1\\n add rsp,8\\n ret\\n"
      "h3: sub rsp,8\\n call h2\\n add rsp,8\\n ret\\n"
      "h4: sub rsp,8\\n call h3\\n add rsp,8\\n ret\\n"
      "work: test edi,edi\\n jz 1f\\n vpaddd ymm0,ymm1,ymm2\\n1: ret\\n"
      "even: sub rsp,8\\n call h4\\n mov edi,eax\\n call work\\n add rsp,8\\n ret\\n"
      "odd: sub rsp,8\\n call h4\\n mov esi,eax\\n mov edi,1\\n call work\\n add rsp,8\\n ret\\n"
      "other: ret\\n"
      "_start: sub rsp,8\\n call even\\n lea rbx,table[rip]\\n call [rbx+8]\\n add rsp,8\\n"
      "mov eax,60\\n syscall\\n"
      ".data\\n.balign 8\\ntable: .quad other, odd\\n"
      ".section .rodata\\n.asciz \\"SIMDJSON_FORCE_IMPLEMENTATION\\"\\n.att_syntax\\n");`;
    const { features } = compile(source, ["-nostdlib", "-static"]);
    expect(features).toContainEqual(expect.objectContaining({ feature: "AVX2", use: "unguarded" }));
  });

  test("a Go program's functions are known by its own table, and its level by its settings", () => {
    const source = `__asm__(".text\\ntext: nop\\n.Lhidden: sha1msg1 %xmm0, %xmm1\\nret\\n.Lend:\\n"
".section .go.buildinfo,\\"aw\\"\\n.ascii \\"Go buildinf: build\\tGOAMD64=v3\\\\n\\"\\n"
".section .gopclntab,\\"a\\"\\ntable: .long 0xfffffff1\\n.byte 0, 0, 1, 8\\n.quad 1, 0, text\\n"
".quad names - table, 0, 0, 0, functions - table\\nnames: .asciz \\"\\", \\"pkg.Hidden\\"\\n"
"functions: .long .Lhidden - text, info - functions, .Lend - text\\ninfo: .long 0, 1\\n.text\\n");
int main(void) { return 0; }`;
    const scan = compile(source, ["-s", "-no-pie"]);
    expect(scan.declares.needed).toContain("x86-64-v3");
    expect(scan.asks).toEqual([{ kind: "known", what: "Go" }]);
    expect(scan.features).toMatchObject([
      { feature: "SHA", sure: "certain", examples: [{ name: "pkg.Hidden" }] },
    ]);
  });
});
