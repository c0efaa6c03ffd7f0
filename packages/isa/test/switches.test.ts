/**
 * Each variable is tried on the program that reads it, in an emulated Haswell: without it AVX2 is
 * executed, with it nothing is. Where that cannot be seen, the program itself says what it uses.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DISPATCHERS } from "../src/scan/dispatchers.ts";
import { narrowingFor, settingsFor } from "../src/switches/narrow.ts";
import { FLAGS, SWITCHES } from "../src/switches/rows.ts";
import { build } from "./programs.ts";
import { hasTool, temporaryDirectory } from "./tools.ts";

/** A pool with a node of 2010: what Haswell has and it has not. */
const HIDDEN = new Set(["AVX", "AVX2", "BMI1", "BMI2", "FMA", "LZCNT", "MOVBE", "F16C"]);

function variables(hidden: ReadonlySet<string>, ...dispatchers: readonly string[]) {
  const settings = settingsFor(hidden, new Set(dispatchers));
  return Object.fromEntries(
    settings.flatMap(({ variable, value }) => (variable === undefined ? [] : [[variable, value]])),
  );
}

/** Instructions with registers of 256 bits that a command executes on a Haswell. */
function wide(
  directory: string,
  command: readonly string[],
  settings: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): number {
  const log = join(directory, "log");
  rmSync(log, { force: true });
  const env = { PATH: process.env["PATH"] ?? "", OPENBLAS_NUM_THREADS: "1", ...settings };
  const args = ["-cpu", "Haswell", "-d", "in_asm", "-D", log, ...flags, ...command];
  const { status, stderr } = spawnSync("qemu-x86_64", args, { cwd: directory, env });
  if (status !== 0) throw new Error(`${command[0]} under QEMU: ${stderr.toString()}`);
  const text = existsSync(log) ? readFileSync(log, "latin1") : "";
  return text.match(/%ymm/g)?.length ?? 0;
}

const hasQemu = hasTool("qemu-x86_64");
const GLIBC = variables(HIDDEN, "glibc");

const STRINGS = `
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  int main(void) {
    char *a = malloc(1 << 20), *b = malloc(1 << 20);
    memset(a, 'x', (1 << 20) - 1);
    a[(1 << 20) - 1] = 0;
    memcpy(b, a, 1 << 20);
    memmove(b + 1, b, 1000);
    printf("%zu %d %p %s\\n", strlen(b), strcmp(a, b), (void *)strchr(b, 'y'), strstr(a, "yy"));
    return 0;
  }
`;

test.runIf(hasQemu && hasTool("gcc"))("GLIBC_TUNABLES", () => {
  const directory = temporaryDirectory();
  build(directory, "it", STRINGS, ["-fno-builtin"]);
  expect(wide(directory, ["./it"], {})).toBeGreaterThan(0);
  expect(wide(directory, ["./it"], GLIBC)).toBe(0);
});

test.runIf(hasQemu && hasTool("openssl"))("OPENSSL_ia32cap", () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "data"), Buffer.alloc(100_000, "data"));
  const command = ["/usr/bin/openssl", "dgst", "-sha256", "data"];
  expect(wide(directory, command, GLIBC)).toBeGreaterThan(0);
  expect(wide(directory, command, { ...GLIBC, ...variables(HIDDEN, "OpenSSL") })).toBe(0);
});

const OPENBLAS = "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0";
const BLAS = `
  void cblas_dgemm(int, int, int, int, int, int, double, const double *, int, const double *, int,
                   double, double *, int);
  int main(void) {
    static double a[4096], b[4096], c[4096];
    for (int i = 0; i < 4096; i++) a[i] = b[i] = i % 7;
    cblas_dgemm(101, 111, 111, 64, 64, 64, 1, a, 64, b, 64, 0, c, 64);
    return c[65] == 820 ? 0 : 1;
  }
`;

test.runIf(hasQemu && hasTool("gcc") && existsSync(OPENBLAS))("OPENBLAS_CORETYPE", () => {
  const directory = temporaryDirectory();
  build(directory, "it", BLAS, [OPENBLAS]);
  expect(wide(directory, ["./it"], GLIBC)).toBeGreaterThan(0);
  const settings = variables(HIDDEN, "OpenBLAS");
  expect(settings).toEqual({ OPENBLAS_CORETYPE: "Nehalem" });
  expect(wide(directory, ["./it"], { ...GLIBC, ...settings })).toBe(0);
});

test.runIf(hasQemu && hasTool("go", false))("GODEBUG", () => {
  const directory = temporaryDirectory();
  const source = `package main
import "bytes"
func main() {
  a, b := make([]byte, 1<<20), make([]byte, 1<<20)
  copy(a, b)
  println(bytes.IndexByte(a, 1), bytes.Equal(a, b), bytes.Count(a, []byte{0}))
}
`;
  writeFileSync(join(directory, "it.go"), source);
  const { status } = spawnSync("go", ["build", "-o", "it", "it.go"], { cwd: directory });
  expect(status).toBe(0);
  expect(wide(directory, ["./it"], {})).toBeGreaterThan(0);
  expect(wide(directory, ["./it"], variables(HIDDEN, "Go"))).toBe(0);
});

/** simdutf's kernels in Node's executable, which lies where it says. */
function kernelsIn(node: string): string | undefined {
  const { stdout } = spawnSync("readelf", ["-sW", node], { encoding: "utf8", maxBuffer: 1 << 28 });
  const rows = (stdout ?? "").split("\n").filter((row) => row.includes("_ZNK7simdutf7haswell"));
  const starts = rows.map((row) => Number.parseInt(row.trim().split(/\s+/)[1] ?? "", 16));
  if (starts.length === 0 || Math.min(...starts) < 0x40_0000) return undefined;
  return `0x${Math.min(...starts).toString(16)}..0x${(Math.max(...starts) + 0x1000).toString(16)}`;
}

const KERNELS = kernelsIn(process.execPath);

test.runIf(hasQemu && KERNELS !== undefined)("SIMDUTF_FORCE_IMPLEMENTATION", () => {
  const directory = temporaryDirectory();
  const script = 'console.log(Buffer.from("ab".repeat(1e5) + "é").toString().length)';
  const command = [process.execPath, "-e", script];
  const filter = ["-dfilter", KERNELS ?? ""];
  expect(wide(directory, command, {}, filter)).toBeGreaterThan(0);
  expect(wide(directory, command, variables(HIDDEN, "simdutf"), filter)).toBe(0);
});

test.runIf(hasTool("java", false))("JAVA_TOOL_OPTIONS: the JVM says what it will use", () => {
  const settings = variables(new Set([...HIDDEN, "SHA"]), "HotSpot");
  const env = { PATH: process.env["PATH"] ?? "", ...settings };
  const args = ["-XX:+PrintFlagsFinal", "-version"];
  const { stdout, status } = spawnSync("java", args, { env, encoding: "utf8" });
  expect(status).toBe(0);
  expect(stdout).toMatch(/ UseAVX += 0 /);
  for (const flag of ["UseSHA", "UseBMI2Instructions", "UseFMA"]) {
    expect(stdout).toMatch(new RegExp(` ${flag} += false `));
  }
});

const PYTHON = process.env["EVENKEEL_TEST_NUMPY"] ?? "python3";
const NUMPY = `
import numpy._core._multiarray_umath as m
baseline = ("SSE", "SSSE", "POPCNT")
print([k for k in m.__cpu_dispatch__ if m.__cpu_features__[k] and not k.startswith(baseline)])
`;

test("NPY_DISABLE_CPU_FEATURES: NumPy says what it will use", ({ skip }) => {
  const run = (settings: Readonly<Record<string, string>>) =>
    spawnSync(PYTHON, ["-c", NUMPY], { encoding: "utf8", env: { ...process.env, ...settings } });
  const { status, stdout } = run({});
  if (status !== 0 || stdout.trim() === "[]") {
    process.stderr.write("skipping NPY_DISABLE_CPU_FEATURES: no NumPy that dispatches here\n");
    skip();
  }
  const all = new Set([...HIDDEN, "AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL"]);
  expect(run(variables(all, "NumPy")).stdout.trim()).toBe("[]");
});

test("every switch steers a dispatcher that is known, and names its documentation", () => {
  const names = new Set(DISPATCHERS.map(({ name }) => name));
  for (const { dispatcher, reference } of [...SWITCHES, ...FLAGS]) {
    expect(names).toContain(dispatcher);
    expect(reference).toMatch(/^https:\/\//);
  }
});

test("nothing is hidden: nothing is set", () => {
  expect(settingsFor(new Set())).toEqual([]);
});

test("Ice Lake and Cascade Lake: only what one of them lacks is narrowed", () => {
  const hidden = new Set(["AVX512_VBMI", "AVX512_VBMI2", "SHA", "GFNI", "VAES"]);
  expect(variables(hidden, "OpenSSL", "simdutf", "Go", "NumPy", "OpenBLAS", "glibc")).toEqual({
    OPENSSL_ia32cap: "~0x0:~0x34220000000",
    SIMDUTF_FORCE_IMPLEMENTATION: "haswell",
    GODEBUG: "cpu.sha=off",
    NPY_DISABLE_CPU_FEATURES: "AVX512_CNL,AVX512_ICL,AVX512_SPR",
  });
});

test("what asks the CPU itself, or has no switch, is left and said", () => {
  const feature = {
    feature: "AVX2",
    sure: "certain",
    instructions: { certain: 1, likely: 0, doubtful: 0 },
    functions: 1,
    examples: [],
  } as const;
  const file = (name: string, use: "chosen" | "unasked", asks: readonly string[]) => ({
    name,
    kind: "executable" as const,
    declares: { needed: [], used: [] },
    asks: asks.map((what) => ({ kind: "known" as const, what })),
    jit: [],
    throughout: [],
    refuses: false,
    features: [{ ...feature, use }],
    code: { bytes: 1, unread: 0, functions: 1, instructions: 1, unknown: 0 },
    problems: [],
  });
  const files = [
    file("steered", "chosen", ["OpenSSL"]),
    file("own", "chosen", []),
    file("unsteered", "chosen", ["FFmpeg"]),
    file("never", "unasked", []),
  ];
  const { settings, left } = narrowingFor(files, HIDDEN);
  expect(settings.map(({ variable }) => variable)).toEqual(["OPENSSL_ia32cap"]);
  expect(left).toEqual([
    { name: "own", why: "asks the CPU itself for AVX2" },
    { name: "unsteered", why: "FFmpeg has no switch" },
    { name: "never", why: "uses AVX2 without asking" },
  ]);
});
