/** Reports as their producers write them here, each explained to the instruction or the feature. */
import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openBytes } from "../src/elf/bytes.ts";
import { readElf } from "../src/elf/file.ts";
import { explainCore, explainCrash } from "../src/index.ts";
import { build, illegalHere, sourceWith } from "./programs.ts";
import { hasTool, temporaryDirectory } from "./tools.ts";

const ILLEGAL = illegalHere();
/** vpaddd %ymm0, %ymm0, %ymm0: of no CPU before Haswell. */
const AVX2 = "c5 fd fe c0";

/** Everything that a command writes; how it ends is for the caller to know. */
function output(directory: string, command: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { cwd: directory, encoding: "utf8" });
  return stdout + stderr;
}

function binaryAt(directory: string, name: string) {
  return { name, elf: readElf(openBytes(join(directory, name))) };
}

/** QEMU's user emulation of a CPU of 2008. */
const OLD_CPU = ["-cpu", "Nehalem"];
const hasGcc = hasTool("gcc");
const hasOldCpu = hasGcc && hasTool("qemu-x86_64");

test.runIf(hasTool("go", false))("Go's traceback, with its bytes of one digit", () => {
  const directory = temporaryDirectory();
  const bytes = ILLEGAL.bytes.split(" ").map((byte) => `BYTE $0x${byte}`);
  writeFileSync(join(directory, "go.mod"), "module it\ngo 1.21\n");
  writeFileSync(join(directory, "main.go"), "package main\nfunc boom()\nfunc main() { boom() }\n");
  const assembly = `TEXT ·boom(SB),4,$0-0\n\t${bytes.join("; ")}\n\tADDQ $4, AX\n\tRET\n`;
  writeFileSync(join(directory, "boom_amd64.s"), assembly);
  expect(output(directory, "go", ["build", "-o", "it", "."])).toBe("");
  const report = output(directory, "./it", []);
  expect(report).toMatch(/instruction bytes: .*0x4 /);
  const [crash, ...others] = explainCrash(report, {
    binaries: [binaryAt(directory, "it")],
  }).crashes;
  expect(others).toEqual([]);
  expect(crash?.instruction?.text).toBe(ILLEGAL.text);
  expect(crash?.crash).toMatchObject({ report: "Go runtime", count: 1 });
  expect(crash?.crash.symbol).toContain("main.boom");
});

test.runIf(hasTool("go", false) && hasTool("qemu-x86_64"))("Go's refusal of a CPU", () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "go.mod"), "module it\ngo 1.21\n");
  writeFileSync(join(directory, "main.go"), "package main\nfunc main() {}\n");
  output(directory, "env", ["GOAMD64=v3", "go", "build", "-o", "it", "."]);
  const report = output(directory, "qemu-x86_64", [...OLD_CPU, "./it"]);
  const [crash] = explainCrash(report).crashes;
  expect(crash).toMatchObject({ cause: "refused", cpuProblem: "yes" });
  expect(crash?.happened[0]).toContain("The program needs x86-64-v3");
  expect(crash?.now[0]).toContain("GOAMD64=v1");
});

test.runIf(hasGcc).each([
  ["bash", ["-c", "./it; true"], /^Illegal instruction/],
  ["dash", ["-c", "./it; true"], /^Illegal instruction/],
  // Only a shell with a terminal says it.
  ["zsh", ["-qec", "zsh -fic './it; true'", "/dev/null"], /^illegal hardware instruction/],
  ["python3", ["-c", "import subprocess; subprocess.run('./it', check=True)"], /SIGILL/],
  ["sh", ["-c", "./it 2>/dev/null; echo exited with code $?"], /^exited with code 132/],
] as const)("what %s says of an exit", (shell, args, words) => {
  if (!hasTool(shell, shell !== "python3")) return;
  const directory = temporaryDirectory();
  build(directory, "it", sourceWith(ILLEGAL.bytes), []);
  const { crashes } = explainCrash(output(directory, shell === "zsh" ? "script" : shell, args));
  expect(crashes).toHaveLength(1);
  expect(crashes[0]?.crash.words).toMatch(words);
  expect(crashes[0]).toMatchObject({ cause: "no-bytes", crash: { count: 1 } });
});

test.runIf(hasTool("gcc") && hasTool("gdb")).each([
  ["x/i alone, by its name", ["x/i $pc"], ""],
  ["with its bytes after it", ["x/i $pc", "x/16xb $pc"], ILLEGAL.bytes],
  ["disassemble /r", ["disassemble /r"], ILLEGAL.bytes],
])("gdb's `=> address:` line, %s", (_, commands, bytes) => {
  const directory = temporaryDirectory();
  build(directory, "it", sourceWith(ILLEGAL.bytes), []);
  const args = ["-batch", "-ex", "run", ...commands.flatMap((c) => ["-ex", c]), "./it"];
  const { crashes } = explainCrash(output(directory, "gdb", args));
  expect(crashes).toHaveLength(1);
  expect(crashes[0]?.instruction?.bytes).toBe(bytes);
  expect(crashes[0]?.crash.symbol).toBe("chosen_at_start");
  expect(crashes[0]?.evidence?.features.map(({ name }) => name)).toEqual([ILLEGAL.feature]);
});

test.runIf(hasOldCpu)(
  "a core of QEMU's user emulation leads to the program and what it asks",
  () => {
    const directory = temporaryDirectory();
    build(directory, "it", sourceWith(AVX2), []);
    const command = `ulimit -c unlimited; exec qemu-x86_64 ${OLD_CPU.join(" ")} ./it`;
    output(directory, "sh", ["-c", command]);
    const core = readdirSync(directory).find((name) => name.endsWith(".core"));
    if (core === undefined) throw new Error("QEMU wrote no core here");
    const context = { binaries: [binaryAt(directory, "it")] };
    const [crash] = explainCore(openBytes(join(directory, core)), context).crashes;
    expect(crash?.instruction?.text).toBe("vpaddd ymm0, ymm0, ymm0");
    expect(crash?.crash).toMatchObject({
      process: "it",
      file: "it",
      symbol: "chosen_at_start+0x0",
    });
    expect(crash?.use).toMatchObject({ use: "always", features: ["AVX2"] });
  },
);

test.runIf(hasOldCpu)(
  "ld.so's refusal, of a program and of a library, with the level from the file",
  () => {
    const directory = temporaryDirectory();
    const level = ["-Wl,-z,x86-64-v3"];
    build(directory, "it", "int main(void) { return 0; }", level);
    build(directory, "libit.so", "int f(void) { return 1; }", ["-shared", "-fPIC", ...level]);
    const linked = ["-L.", "-l:libit.so", `-Wl,-rpath,${directory}`, `-L${directory}`];
    build(directory, "user", "int f(void); int main(void) { return f(); }", linked);
    for (const [program, file] of [
      ["./it", "it"],
      ["./user", "libit.so"],
    ] as const) {
      const report = output(directory, "qemu-x86_64", [...OLD_CPU, program]);
      const [crash, ...others] = explainCrash(report).crashes;
      expect(others).toEqual([]);
      expect(crash).toMatchObject({ cause: "refused", crash: { file, report: "ld.so" } });
      expect(crash?.missing[0]).toContain(`--binary PATH/${file}`);
      const binaries = [binaryAt(directory, file)];
      expect(explainCrash(report, { binaries }).crashes[0]?.happened[0]).toContain(
        `${file} needs x86-64-v3`,
      );
    }
  },
);

test.runIf(hasOldCpu)(
  "a program that never asks is no snapshot's victim; one that asks may be",
  () => {
    const directory = temporaryDirectory();
    build(directory, "never", sourceWith(AVX2), []);
    const list = AVX2.split(" ").map((byte) => `0x${byte}`);
    const asks = `
    __attribute__((noinline)) void chosen_at_start(void) {
      __asm__ volatile(".byte ${list.join(",")}");
    }
    static void otherwise(void) {}
    static void *pick(void) {
      __builtin_cpu_init();
      return __builtin_cpu_supports("avx2") ? (void *)chosen_at_start : (void *)otherwise;
    }
    void work(void) __attribute__((ifunc("pick")));
    int main(void) { work(); return 0; }
  `;
    build(directory, "asks", asks, []);
    const happened = (name: string) => {
      const binary = binaryAt(directory, name);
      const run = ["-batch", "-ex", "info address chosen_at_start", `./${name}`];
      const address = /0x([0-9a-f]+)/.exec(output(directory, "gdb", run))?.[1] ?? "";
      const line = `traps: ${name}[7] trap invalid opcode ip:55555555${address.padStart(4, "0")} sp:7f error:0 in ${name}[${address},555555555000+1000]`;
      return explainCrash(line, { binaries: [binary] }).crashes[0]?.happened.join(" ");
    };
    if (!hasTool("gdb")) return;
    expect(happened("never")).toContain("in a new guest as in a resumed one");
    expect(happened("asks")).toContain("Most likely a snapshot was taken on a node that has it");
    expect(happened("asks")).toContain("A scan of asks agrees: it checks the CPU");
  },
);

test.runIf(hasGcc)(
  "a build that does not match the line is refused with the build that is needed",
  () => {
    const directory = temporaryDirectory();
    build(directory, "it", sourceWith(ILLEGAL.bytes), []);
    copyFileSync(join(directory, "it"), join(directory, "first"));
    build(
      directory,
      "it",
      `int pad(int a) { return a * 3 + 1; }\n${sourceWith("90 90 90 90 90 90")}`,
      ["-O2", "-fno-inline"],
    );
    const site =
      "traps: it[7] trap invalid opcode ip:555555555131 sp:7f error:0 in it[1131,555555555000+1000]";
    const [crash] = explainCrash(site, { binaries: [binaryAt(directory, "it")] }).crashes;
    expect(crash).toMatchObject({ cause: "other-build", cpuProblem: "unknown" });
    expect(crash?.missing[0]).toMatch(
      /^The file it, the exact build that ran \(0x1000 bytes of code at 0x555555555000\): --binary PATH\/it/,
    );
  },
);

test.runIf(hasTool("clang", false) && hasTool("gdb"))("UBSan's traps are named", () => {
  const directory = temporaryDirectory();
  const source = "int main(int c, char **v) { (void)v; int a = 0x7fffffff; return a + c; }";
  writeFileSync(join(directory, "it.c"), source);
  const flags = ["-O0", "-fsanitize=signed-integer-overflow", "-fsanitize-trap=all"];
  expect(output(directory, "clang", [...flags, "-o", "it", "it.c"])).toBe("");
  const report = output(directory, "gdb", ["-batch", "-ex", "run", "-ex", "x/16xb $pc", "./it"]);
  const [crash] = explainCrash(report).crashes;
  expect(crash?.happened[0]).toContain("add-overflow");
});
