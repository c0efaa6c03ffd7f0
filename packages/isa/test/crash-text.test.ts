/** Reports as kernels, systemd and runtimes write them. */
import { describe, expect, test } from "vitest";
import { explainCrash } from "../src/index.ts";
import { groupSites, readSites } from "../src/crash/report.ts";
import { plainName } from "../src/crash/symbol-name.ts";

/** The line that this project starts from. */
const NODE_LINE =
  "traps: node[2562] trap invalid opcode ip:257c2dd sp:7fffbf87f9c0 error:0 in node[e33000+2489000]";

const NODE_SITE = {
  report: "kernel log",
  ring: "user",
  fault: "invalid-opcode",
  words: "trap invalid opcode",
  process: "node",
  pid: 2562,
  ip: 0x257c2dd,
};

test.each([
  ["bare", NODE_LINE],
  ["dmesg", `[  985.301524] ${NODE_LINE}`],
  ["dmesg with the caller", `[  985.301524][ T2562] ${NODE_LINE}`],
  ["a serial console with levels", `<6>[  985.301524] ${NODE_LINE}\r`],
  ["journald", `Nov 24 06:30:44 vm-17 kernel: ${NODE_LINE}`],
  ["journald, ISO", `2026-11-24T06:30:44+0000 vm-17 kernel: ${NODE_LINE}`],
  ["without the prefix", `Nov 24 06:30:44 vm-17 kernel: ${NODE_LINE.slice("traps: ".length)}`],
])("the kernel's line, %s", (_, text) => {
  const [site] = readSites(text);
  expect(site).toMatchObject(NODE_SITE);
  expect(site?.mapping).toMatchObject({ name: "node", start: 0xe33000, size: 0x2489000 });
});

test("without a binary it says exactly what it needs", () => {
  const [crash] = explainCrash(NODE_LINE).crashes;
  expect(crash?.cause).toBe("no-bytes");
  expect(crash?.missing).toEqual([
    "The file node, the exact build that ran (0x2489000 bytes of code at 0xe33000): --binary PATH/node",
    "Or a core file of the process, or the instruction's bytes: --bytes '62 f2 …'",
  ]);
});

test("newer kernels print the offset in the file", () => {
  const [site] = readSites(
    "[  985.301524] traps: boom[23302] trap invalid opcode ip:55c4748d4149 sp:7ffdbc8b5720 error:0 in boom[1149,55c4748d4000+1000]",
  );
  expect(site?.mapping).toEqual({
    name: "boom",
    start: 0x55c4748d4000,
    size: 0x1000,
    fileOffset: 0x1149,
    loadOffset: undefined,
    buildId: undefined,
  });
});

test.each([
  ["traps: a b[c] d[1] trap int3 ip:1 sp:2 error:0", "a b[c] d", "breakpoint", undefined],
  [
    "traps: x[1] general protection fault ip:7f sp:7e error:0 in libc.so.6[28000,7f0000028000+188000]",
    "x",
    "general-protection",
    "libc.so.6",
  ],
  [
    "traps: x[1] control protection ip:4 sp:5 ssp:6 error:3(endbranch) in x[400000+1000]",
    "x",
    "control-protection",
    "x",
  ],
  [
    "x[1]: segfault at 0 ip 00 sp 00 error 4 in x (deleted)[40+10] likely on CPU 3",
    "x",
    "other",
    "x",
  ],
  ["x[1]: segfault at 7f ip 1 sp 2 error d", "x", "reserved-bit", undefined],
  ["traps: x[1] trap divide error ip:1 sp:2 error:0 in x[1+2]", "x", "other", "x"],
])("%s", (text, process, fault, file) => {
  const [site] = readSites(text);
  expect([site?.process, site?.fault, site?.mapping?.name]).toEqual([process, fault, file]);
});

test("equal crashes are counted, whatever address space they died in", () => {
  const line = (pid: number, base: string, at: string) =>
    `traps: node[${pid}] trap invalid opcode ip:${at} sp:7f error:0 in libv8.so[${base}+9000]`;
  const text = [
    "[1.0] eth0: link up",
    line(1, "7f0000001000", "7f00000012dd"),
    line(2, "7f1234561000", "7f12345612dd"),
    "traps: other[9] trap invalid opcode ip:55 sp:7f error:0 in other[50+10]",
    line(3, "7f0000001000", "7f00000012dd"),
  ].join("\n");
  const groups = groupSites(readSites(text));
  expect(
    groups.map(({ count, pids, site, lastLine }) => [count, pids, site.line, lastLine]),
  ).toEqual([
    [3, [1, 2, 3], 2, 5],
    [1, [9], 4, 4],
  ]);
});

const CODE =
  "Code: 48 89 e5 41 57 41 56 41 55 41 54 53 48 83 ec 18 <62> f2 7d 48 75 c1 48 8b 45 f0 c3 90";

test("the bytes that the kernel prints below a crash are its own", () => {
  const text = `${NODE_LINE}\n${CODE}\n`;
  expect(explainCrash(text).crashes[0]?.instruction?.text).toBe("vpermi2b zmm0, zmm0, zmm1");
  const far = `${NODE_LINE}\n\n\n\n\n${CODE}\n`;
  expect(explainCrash(far).crashes[0]?.instruction).toBeUndefined();
});

describe("oopses", () => {
  const rest = (rip: string, code: string) => [
    "CPU: 1 PID: 77 Comm: kworker/1:0 Not tainted 6.1.141 #1",
    "Hardware name: Firecracker",
    `RIP: ${rip}`,
    code,
    "RSP: 0018:ffffc900000f3e10 EFLAGS: 00010246",
    "RIP: 0033:0x7f51d0b2c5a4",
    "Code: Unable to access opcode bytes at 0x7f51d0b2c57a.",
  ];
  const vbmi = "Code: 0f 1f 44 00 00 <62> f2 7d 48 75 c1 c3";

  test.each([
    ["before 6.10", "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI"],
    ["since 6.10", "Oops: invalid opcode: 0000 [#1] SMP NOPTI"],
  ])("%s", (_, head) => {
    const text = [head, ...rest("0010:crc_avx512+0x15/0x40 [crc]", vbmi)].join("\n");
    const [crash, ...more] = explainCrash(text).crashes;
    expect(more).toEqual([]);
    expect(crash?.crash).toMatchObject({
      report: "kernel oops",
      ring: "kernel",
      process: "kworker/1:0",
      pids: [77],
      symbol: "crc_avx512+0x15 [crc]",
    });
    expect(crash?.cause).toBe("needs-feature");
    expect(crash?.evidence?.features.map(({ name }) => name)).toEqual(["AVX512_VBMI"]);
  });

  test("BUG() is the kernel stopping itself", () => {
    const ud2 = "Code: 31 c0 <0f> 0b 66 90";
    const text = [
      "kernel BUG at mm/slub.c:548!",
      "invalid opcode: 0000 [#1] SMP PTI",
      ...rest("0010:kfree+0x2a0/0x2b0", ud2),
    ].join("\n");
    const { crashes } = explainCrash(text);
    expect(crashes.map(({ cause, crash }) => [cause, crash.words, crash.symbol])).toEqual([
      ["deliberate", "kernel BUG at mm/slub.c:548", "kfree+0x2a0"],
    ]);
  });
});

const COREDUMP = `
           PID: 2562 (node)
           UID: 1000 (user)
        Signal: 4 (ILL)
     Timestamp: Tue 2026-11-24 06:30:44 UTC (1min ago)
  Command Line: node server.js
    Executable: /usr/local/bin/node
       Storage: /var/lib/systemd/coredump/core.node.1000.zst (present)
       Message: Process 2562 (node) of user 1000 dumped core.

                Stack trace of thread 2562:
                #0  0x000000000257c2dd n/a (node + 0x217c2dd)
                #1  0x00007f3c02a29d90 __libc_start_call_main (libc.so.6 + 0x29d90)
                ELF object binary architecture: AMD x86-64
`;

test("coredumpctl's text", () => {
  const [crash, ...more] = explainCrash(COREDUMP).crashes;
  expect(more).toEqual([]);
  expect(crash?.crash).toMatchObject({
    report: "coredumpctl",
    words: "signal 4 (SIGILL)",
    process: "node",
    file: "node",
    ip: "0x257c2dd",
  });
  expect(crash?.cause).toBe("no-bytes");
});

test("the kernel's line and systemd's about one process are one crash", () => {
  const named = COREDUMP.replace("n/a", "simdutf_convert");
  const { crashes } = explainCrash(`kernel: ${NODE_LINE}\n${named}`);
  expect(crashes.map(({ crash }) => [crash.report, crash.symbol, crash.count])).toEqual([
    ["kernel log", "simdutf_convert", 1],
  ]);
});

test("a dump of another signal is another fault", () => {
  const aborted = COREDUMP.replace("4 (ILL)", "6 (ABRT)");
  expect(explainCrash(aborted).crashes[0]?.cause).toBe("other-fault");
});

test("Go prints the bytes itself", () => {
  const text = [
    "SIGILL: illegal instruction",
    "PC=0x4821e0 m=0 sigcode=2",
    "instruction bytes: 0x62 0xf2 0x7d 0x48 0x75 0xc1 0xc3 0xcc 0xcc 0xcc",
  ].join("\n");
  const [crash] = explainCrash(text).crashes;
  expect(crash?.crash).toMatchObject({ report: "Go runtime", ip: "0x4821e0" });
  expect(crash?.instruction?.text).toBe("vpermi2b zmm0, zmm0, zmm1");
});

test("Java's fatal error log has the bytes around the pc", () => {
  const text = [
    "#  SIGILL (0x4) at pc=0x00007f51a02b1148, pid=4711, tid=4712",
    "# C  [libblas.so.3+0x51148]  dgemm_kernel+0x18",
    "Instructions: (pc=0x00007f51a02b1148)",
    "0x00007f51a02b1138:   55 48 89 e5 90 90 90 90 90 90 90 90 90 90 90 90",
    "0x00007f51a02b1148:   62 f2 7d 48 75 c1 c3 90 90 90 90 90 90 90 90 90",
  ].join("\n");
  const [crash] = explainCrash(text).crashes;
  expect(crash?.crash).toMatchObject({
    process: "java",
    pids: [4711],
    file: "libblas.so.3",
    symbol: "dgemm_kernel+0x18",
  });
  expect(crash?.instruction?.text).toBe("vpermi2b zmm0, zmm0, zmm1");
});

test.each([
  "Illegal instruction (core dumped)",
  "container exited with code 132",
  "app.service: Main process exited, code=dumped, status=4/ILL",
  "132",
])("%s alone asks for more", (text) => {
  const [crash] = explainCrash(`something\n${text}\n`).crashes;
  expect(crash?.cause).toBe("no-bytes");
  expect(crash?.missing.length).toBeGreaterThan(0);
});

test("an exit status adds nothing to a kernel's line", () => {
  const { crashes } = explainCrash(`Illegal instruction\n${NODE_LINE}\nexited with code 132\n`);
  expect(crashes.map(({ crash }) => crash.report)).toEqual(["kernel log"]);
});

test.each([
  "app[77]: undefined instruction: pc=0000aaaad5e00754 (aaaad5e00754)\nCode: d503201f (d4200000)",
  "Internal error: Oops - Undefined instruction: 0000000002000000 [#1] SMP",
])("aarch64 is told apart", (text) => {
  expect(explainCrash(text).crashes.map(({ cause }) => cause)).toEqual(["aarch64"]);
});

test("text without a crash has none", () => {
  expect(explainCrash("").crashes).toEqual([]);
  expect(explainCrash("[    0.000000] Linux version 6.1.141\nCode: 12\n").crashes).toEqual([]);
});

test.each([
  [
    "_ZNK7simdutf7icelake14implementation22convert_latin1_to_utf8EPKcmPc",
    "simdutf::icelake::implementation::convert_latin1_to_utf8",
  ],
  ["_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"],
  ["_Z6dgemm_ii", "dgemm_"],
  ["_ZNSt6vectorIiSaIiEE9push_backERKi", "_ZNSt6vectorIiSaIiEE9push_backERKi"],
  ["_ZN99shortE", "_ZN99shortE"],
  ["_ZN", "_ZN"],
  ["main", "main"],
])("%s reads as %s", (symbol, plain) => {
  expect(plainName(symbol)).toBe(plain);
});
