/** Reports whose producers cannot run here, in the words of their sources. */
import { expect, test } from "vitest";
import { explainBytes, explainCrash } from "../src/index.ts";

const VBMI = "62 f2 7d 48 75 c1";

test.each([
  ["kubectl describe", "      Reason:       Error\n      Exit Code:    132\n"],
  ["docker inspect", '            "ExitCode": 132,'],
  ["docker ps -a", '3f1   node:20   "node"   5 minutes ago   Exited (132) 2 minutes ago   app'],
  ["Go's os/exec", "fork/exec ./node: signal: illegal instruction (core dumped)"],
  ["systemd", "app.service: Main process exited, code=dumped, status=4/ILL"],
  ["systemd, a scope", "app.service: Main process exited, code=killed, signal=ILL"],
  ["a supervisor", "process app killed by signal 4"],
  ["waitpid's status with a core", "child 77: wait status 132"],
  ["waitpid's status", "waitpid status=4"],
  ["QEMU", "qemu: uncaught target signal 4 (Illegal instruction) - core dumped"],
])("%s says that it was SIGILL", (_, text) => {
  const { crashes } = explainCrash(text);
  expect(crashes).toHaveLength(1);
  expect(crashes[0]?.happened[0]).toContain("SIGILL, exit code 132");
});

test.each([
  ["an HTTP status", "GET / exited early with status 200 after 132 ms"],
  ["another signal", "process app killed by signal 9"],
  ["another status", "wait status 9"],
  ["a page number", "see page 132"],
])("%s is no crash", (_, text) => {
  expect(explainCrash(text).crashes).toEqual([]);
});

test.each([
  ["glibc", "Fatal glibc error: CPU does not support x86-64-v2", "The program needs x86-64-v2"],
  [
    "MongoDB's container",
    "WARNING: MongoDB 5.0+ requires a CPU with AVX support, and your current system does not appear to have that!",
    "MongoDB needs AVX",
  ],
  [
    "polars",
    "RuntimeWarning: Missing required CPU features.\n\nThe following required CPU features were not detected:\n    avx2, fma, bmi1, bmi2, lzcnt, movbe\nContinuing to use this version of Polars",
    "polars needs AVX2, FMA, BMI1, BMI2, LZCNT and MOVBE",
  ],
  [
    "NumPy",
    "RuntimeError: NumPy was built with baseline optimizations: \n(X86_V2) but your machine doesn't support:\n(X86_V2).",
    "NumPy needs x86-64-v2",
  ],
  [
    "TensorFlow",
    "F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was compiled to use AVX2 instructions, but these aren't available on your machine.",
    "TensorFlow needs AVX2",
  ],
  [
    "ClickHouse",
    "Instruction check fail. The CPU does not support SSSE3 instruction set.",
    "SSSE3",
  ],
])("%s says what it misses", (_, text, happened) => {
  const { crashes } = explainCrash(text);
  expect(crashes).toHaveLength(1);
  expect(crashes[0]).toMatchObject({ cause: "refused", cpuProblem: "yes" });
  expect(crashes[0]?.happened[0]).toContain(happened);
  expect(crashes[0]?.happened[0]).toContain("A snapshot is not the reason");
});

const LINE =
  "traps: node[2562] trap invalid opcode ip:257c2dd sp:7fff error:0 in node[e33000+2489000]";

test.each([
  ["dmesg and the journal", `[   12.345678] ${LINE}\nNov 26 12:00:00 vm kernel: ${LINE}`, 1],
  ["the same console twice", `[   12.345678] ${LINE}\n[   12.345678] ${LINE}`, 1],
  ["clones of one snapshot", `[   12.345678] ${LINE}\n[   99.000001] ${LINE}`, 2],
  [
    "the kernel and a shell",
    `${LINE}\nbash: line 1:  2562 Illegal instruction (core dumped) node`,
    1,
  ],
  [
    "the kernel and systemd",
    `${LINE}\nProcess 2562 (node) of user 0 dumped core.\n\nStack trace of thread 2562:\n#0  0x000000000257c2dd f (node + 0x217c2dd)`,
    1,
  ],
  [
    "the kernel and Go",
    `${LINE}\nSIGILL: illegal instruction\nPC=0x257c2dd m=0 sigcode=2\ninstruction bytes: 0x62 0xf2 0x7d 0x48 0x75 0xc1`,
    1,
  ],
])("one crash on two lines is one: %s", (_, text, count) => {
  const { crashes } = explainCrash(text);
  expect(crashes).toHaveLength(1);
  expect(crashes[0]?.crash.count).toBe(count);
});

test("what another report adds to the kernel's line is kept", () => {
  const go = `SIGILL: illegal instruction\nPC=0x257c2dd m=0 sigcode=2\ninstruction bytes: ${VBMI}`;
  const [crash] = explainCrash(`${LINE}\n${go}`).crashes;
  expect(crash?.instruction?.bytes).toBe(VBMI);
  expect(crash?.crash).toMatchObject({ process: "node", pids: [2562], report: "kernel log" });
});

test.each([
  ["vpermi2b %zmm1,%zmm0,%zmm0", ["AVX512_VBMI"]],
  ["vpaddd ymm0, ymm1, ymm2", ["AVX2"]],
  ["vpaddd %ymm16,%ymm1,%ymm2", ["AVX512F", "AVX512VL"]],
  ["popcnt %rax,%rbx", ["POPCNT"]],
  ["pdep %rax,%rbx,%rcx", ["BMI2"]],
])("gdb's `%s` is known by its name", (text, features) => {
  const [crash] = explainCrash(`=> 0x401136 <main+4>:\t${text}`).crashes;
  expect(crash?.evidence?.features.map(({ name }) => name).toSorted()).toEqual(features);
});

test.each([
  ["67 0f b9 40 00", "add-overflow"],
  ["67 0f b9 40 02", "cfi-check-fail"],
  ["67 0f b9 40 12", "out-of-bounds"],
  ["67 0f b9 40 14", "shift-out-of-bounds"],
  ["67 0f b9 40 7f", "number 127 of its list"],
])("UBSan's %s is %s", (bytes, name) => {
  expect(explainBytes(bytes).crashes[0]?.happened[0]).toContain(name);
});

test("escape codes in a log are shown, colors are taken off", () => {
  const hostile = LINE.replaceAll("node", "n\u001b[2Jd");
  const [crash] = explainCrash(`\u001b[31m[   12.3]\u001b[0m ${hostile}`).crashes;
  expect(crash?.crash.process).toBe("n\\x1b[2Jd");
});
