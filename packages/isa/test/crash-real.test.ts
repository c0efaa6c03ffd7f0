/** Real programs, real core files and the kernel's real lines. */
import { basename } from "node:path";
import { expect, test, type TestContext } from "vitest";
import {
  explainCore,
  explainCrash,
  openBytes,
  readElf,
  summarizeCrash,
  type Binary,
} from "../src/index.ts";
import { build, hasGcc, illegalHere, runToDeath, sourceWith } from "./programs.ts";
import { temporaryDirectory } from "./tools.ts";

const ILLEGAL = illegalHere();

function binary(path: string): Binary {
  return { name: basename(path), elf: readElf(openBytes(path)) };
}

/** Skips the test, with the reason printed, where this machine does not give what it needs. */
function needed<T>(value: T | undefined, { skip }: TestContext, reason: string): T {
  if (value !== undefined) return value;
  process.stderr.write(`${reason}: skipped\n`);
  return skip(reason);
}

const NO_CORE = "this machine writes no core files into the directory";
const NO_LINE = "the kernel's log has no line about it, or may not be read";

const KINDS: readonly (readonly [name: string, flags: readonly string[], symbol: RegExp])[] = [
  ["pie", ["-pie", "-fPIE"], /^chosen_at_start\+0x/],
  ["fixed", ["-no-pie"], /^chosen_at_start\+0x/],
  ["static", ["-static"], /^chosen_at_start\+0x/],
  ["stripped", ["-pie", "-fPIE", "-s"], /^undefined$/],
  ["oneseg", ["-no-pie", "-Wl,-z,noseparate-code"], /^chosen_at_start\+0x/],
];

// The kernel writes ten lines in five seconds: tests that read them come first.
test.skipIf(!hasGcc).for(KINDS)(
  "a %s program: the kernel's line leads to the instruction",
  ([name, flags, symbol], context) => {
    const directory = temporaryDirectory();
    // A name of its own, so that the line is surely this run's.
    const program = `ek-${name}`;
    const path = build(directory, program, sourceWith(ILLEGAL.bytes), flags);
    const line = needed(runToDeath(directory, program).line, context, NO_LINE);
    // Older kernels write the same line without the offset in the file.
    for (const text of [line, line.replace(/\[[0-9a-f]+,/, "[")]) {
      const [crash] = explainCrash(text, { binaries: [binary(path)] }).crashes;
      expect([text, crash?.instruction?.text]).toEqual([text, ILLEGAL.text]);
      expect(String(crash?.crash.symbol)).toMatch(symbol);
      expect(crash?.cause).toBe("needs-feature");
      expect(crash?.doubts).toEqual([]);
    }
  },
);

/** Copies code into memory of its own and calls it, as a JIT does. */
function jit(bytes: string): string {
  const list = bytes.split(" ").map((byte) => `0x${byte}`);
  return `
    #include <string.h>
    #include <sys/mman.h>
    static const unsigned char code[] = { 0x90, ${list.join(",")} };
    int main(void) {
      void *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      memcpy(p, code, sizeof code);
      ((void (*)(void))p)();
      return 0;
    }`;
}

test.skipIf(!hasGcc)("a line about code generated at run time asks for a core", (context) => {
  const directory = temporaryDirectory();
  build(directory, "ek-jit", jit(ILLEGAL.bytes), []);
  const line = needed(runToDeath(directory, "ek-jit").line, context, NO_LINE);
  const [crash] = explainCrash(line).crashes;
  expect(crash?.cause).toBe("no-bytes");
  expect(crash?.happened.join()).toContain("generated at run time");
});

test.skipIf(!hasGcc)("a crash is summarized in one line", (context) => {
  const directory = temporaryDirectory();
  const path = build(directory, "ek-sum", sourceWith(ILLEGAL.bytes), []);
  const death = runToDeath(directory, "ek-sum");
  const line = needed(death.line, context, NO_LINE);
  const { crashes } = explainCrash(line, { binaries: [binary(path)] });
  expect(crashes.map(summarizeCrash)).toEqual([
    `ek-sum[${death.pid}]: "${ILLEGAL.text}" needs ${ILLEGAL.feature}`,
  ]);
});

test.skipIf(!hasGcc).for(KINDS)(
  "a %s program: its core leads to the instruction",
  ([name, flags, symbol], context) => {
    const directory = temporaryDirectory();
    const path = build(directory, name, sourceWith(ILLEGAL.bytes), flags);
    const death = runToDeath(directory, name);
    expect(death.signal).toBe("SIGILL");
    const core = needed(death.core, context, NO_CORE);
    const [crash] = explainCore(openBytes(core), { binaries: [binary(path)] }).crashes;
    const { pid } = death;
    expect(crash?.crash).toMatchObject({ process: name, pids: [pid], words: "SIGILL", file: name });
    expect(String(crash?.crash.symbol)).toMatch(symbol);
    expect(crash?.instruction?.text).toBe(ILLEGAL.text);
    expect(crash?.evidence?.features.map((f) => f.name)).toEqual([ILLEGAL.feature]);
    expect(crash?.doubts).toEqual([]);
  },
);

const BUILD_ID = ["-pie", "-fPIE", "-Wl,--build-id"];

/** A program of the same name with more code. */
function otherBuild(): Binary {
  const more = 'int more(int x) { __asm__ volatile(".skip 9000"); return x; }';
  const source = `${sourceWith(ILLEGAL.bytes)} ${more}`;
  return binary(build(temporaryDirectory(), "app", source, BUILD_ID));
}

test.skipIf(!hasGcc)("another build of the program is refused for a core", (context) => {
  const directory = temporaryDirectory();
  build(directory, "app", sourceWith(ILLEGAL.bytes), BUILD_ID);
  const core = needed(runToDeath(directory, "app").core, context, NO_CORE);
  expect(() => explainCore(openBytes(core), { binaries: [otherBuild()] })).toThrow(
    /app has build id [0-9a-f]+, but the core is of/,
  );
});

test.skipIf(!hasGcc)("another build of the program is doubted for a kernel's line", () => {
  const line =
    "traps: app[7] trap invalid opcode ip:55d0c0001139 sp:7ffd0 error:0 in app[55d0c0001000+1000]";
  const [crash] = explainCrash(line, { binaries: [otherBuild()] }).crashes;
  expect(crash?.doubts[0]).toBe(
    "its code is 0x3000 bytes in memory, the report says 0x1000: probably another build",
  );
});

test.skipIf(!hasGcc)("a build without code at the place is named as another one", () => {
  const line =
    "traps: app[7] trap invalid opcode ip:55d0c0091139 sp:7ffd0 error:0 in app[91139,55d0c0001000+99000]";
  const [crash] = explainCrash(line, { binaries: [otherBuild()] }).crashes;
  expect(crash?.happened[1]).toBe("The app that was given has no code there: it is another build.");
});

test.skipIf(!hasGcc)("a core opens the file that it names, if it is that very build", (context) => {
  const directory = temporaryDirectory();
  const path = build(directory, "named", sourceWith(ILLEGAL.bytes), BUILD_ID);
  const core = needed(runToDeath(directory, "named").core, context, NO_CORE);
  const asked: (string | undefined)[] = [];
  const explain = (found: Binary) =>
    explainCore(openBytes(core), {}, (needs) => {
      asked.push(needs.path);
      return found;
    }).crashes[0];
  expect(explain(binary(path))?.instruction?.text).toBe(ILLEGAL.text);
  expect(asked).toEqual([path]);
  const refused = explain(otherBuild());
  expect(refused?.cause).toBe("no-bytes");
  expect(refused?.missing).toEqual([
    expect.stringMatching(/^The file named, the exact build that ran \(build id [0-9a-f]{40}\)/),
  ]);
});

test.skipIf(!hasGcc)("a signal that was sent is no invalid opcode", (context) => {
  const directory = temporaryDirectory();
  build(directory, "sent", "#include <signal.h>\nint main(void) { return raise(SIGILL); }", []);
  const core = needed(runToDeath(directory, "sent").core, context, NO_CORE);
  expect(explainCore(openBytes(core)).crashes[0]?.cause).toBe("sent");
});

test.skipIf(!hasGcc)("__builtin_trap is a program that stops itself", (context) => {
  const directory = temporaryDirectory();
  const path = build(directory, "trap", "int main(void) { __builtin_trap(); }", []);
  const core = needed(runToDeath(directory, "trap").core, context, NO_CORE);
  const [crash] = explainCore(openBytes(core), { binaries: [binary(path)] }).crashes;
  expect([crash?.cause, crash?.cpuProblem]).toEqual(["deliberate", "no"]);
});

test.skipIf(!hasGcc)("code generated at run time is in the core itself", (context) => {
  const directory = temporaryDirectory();
  build(directory, "jit", jit(ILLEGAL.bytes), []);
  const core = needed(runToDeath(directory, "jit").core, context, NO_CORE);
  const [crash] = explainCore(openBytes(core)).crashes;
  expect(crash?.crash.file).toBeUndefined();
  expect(crash?.instruction?.text).toBe(ILLEGAL.text);
});

test("a line about an instruction that cannot have died names the build as another one", () => {
  const node = { name: "node", elf: readElf(openBytes(process.execPath)) };
  const { entry, type } = node.elf.header;
  const home = node.elf.segments.find(
    ({ address, fileSize, executable }) =>
      executable && entry >= address && entry < address + fileSize,
  );
  if (home === undefined) throw new Error("node's entry is not in its code");
  const bias = type === "executable" ? 0 : 0x5555_5555_4000;
  const start = Math.floor(home.address / 4096) * 4096;
  const size = Math.ceil((home.address + home.fileSize) / 4096) * 4096 - start;
  const [ip, base, length] = [entry + bias, start + bias, size].map((n) => n.toString(16));
  const line = `traps: node[2562] trap invalid opcode ip:${ip} sp:7fff error:0 in node[${base}+${length}]`;
  const [crash] = explainCrash(line, { binaries: [node] }).crashes;
  // A program begins with ENDBR64 or with an instruction that every CPU executes.
  expect(crash).toMatchObject({ cause: "other-build", cpuProblem: "unknown" });
  expect(crash?.instruction).toBeUndefined();
  expect(crash?.happened[0]).toContain("is not the build that died");
  expect(crash?.missing[0]).toContain(`(0x${length} bytes of code at 0x${base})`);
});
