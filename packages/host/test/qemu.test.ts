import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EMPTY_TEMPLATE, CPUID_FIELDS, type CpuidEntry } from "@evenkeel/core";
import { expect, onTestFinished, test } from "vitest";
import { findKernel, HostError, qemuDriver, type MicroVm } from "../src/index.ts";
import { bootArguments, loadArguments, shellPipe } from "../src/qemu/arguments.ts";
import { guestCpuid, switchesFor } from "../src/qemu/cpu.ts";
import { QEMU_BINARY, qemuCpus } from "../src/qemu/driver.ts";
import { propertyOf } from "../src/qemu/properties.ts";
import { withQmp } from "../src/qemu/qmp.ts";

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof HostError ? error.code : undefined;
}

const failure = (work: Promise<unknown>) => work.then(() => undefined).catch((e: unknown) => e);

/** Undefined where QEMU runs; CI installs it, so that there its absence fails. */
async function missingQemu(): Promise<string | undefined> {
  if (process.env["CI"] !== undefined) return undefined;
  const error = await failure(qemuDriver({ cpu: "Haswell" }));
  return error instanceof Error ? error.message : undefined;
}

const MACHINE = { vcpus: 2, smt: true, memoryMib: 64, drives: [] };

test("a machine's arguments are those of a cold boot or of one that waits for a snapshot", () => {
  const kernel = { kernel: "/k", initrd: "/i", bootArgs: "console=ttyS0" };
  const boot = bootArguments(MACHINE, kernel, "tcg", "Haswell,-avx2").join(" ");
  expect(boot).toContain("-cpu Haswell,-avx2 -smp 2,sockets=1,cores=1,threads=2 -m 64M");
  expect(boot).toContain("-kernel /k -append console=ttyS0 -initrd /i");
  const load = loadArguments(MACHINE, "kvm", "host").join(" ");
  expect(load).toContain("-accel kvm -cpu host");
  expect(load).toMatch(/-incoming defer$/);
  expect(load).not.toContain("-kernel");
});

test("commas in a drive's path and quotes in a snapshot's do not end them", () => {
  const drive = { id: "root", path: "/a,b", readOnly: true, root: true };
  const args = loadArguments({ ...MACHINE, drives: [drive] }, "tcg", "max");
  expect(args).toContain("id=root,if=none,format=raw,file=/a,,b,readonly=on");
  expect(shellPipe("cat >", "/it's")).toBe(String.raw`exec:cat > '/it'\''s'`);
});

/** An Intel CPU of a few entries: AVX2, BMI2 and MONITOR with its leaf. */
const ENTRIES: readonly CpuidEntry[] = [
  [0x0, 0, 0x7, 0x756e_6547, 0x6c65_746e, 0x4965_6e69],
  [0x1, 0, 0x306c1, 0, 0x1000_0008, 0],
  [0x5, 0, 0, 0, 3, 0],
  [0x7, 0, 0, 0x120, 0, 0],
  [0xd, 0, 0x7, 0, 0x340, 0],
].map(([leaf = 0, subleaf = 0, eax = 0, ebx = 0, ecx = 0, edx = 0]) => {
  return { leaf, subleaf, flags: 0, eax, ebx, ecx, edx };
});

const FLAGS = new Set(["avx", "avx2", "bmi2", "monitor", "sha-ni"]);

function changed(leaf: number, change: Partial<CpuidEntry>): CpuidEntry[] {
  return ENTRIES.map((entry) => (entry.leaf === leaf ? { ...entry, ...change } : entry));
}

test("what a guest CPU lacks is switched off, and nothing where nothing differs", () => {
  expect(switchesFor(ENTRIES, ENTRIES, FLAGS)).toEqual({ switches: [], findings: [] });
  const { switches, findings } = switchesFor(ENTRIES, changed(7, { ebx: 0 }), FLAGS);
  expect(switches).toEqual(["-avx2", "-bmi2"]);
  expect(findings).toEqual([]);
});

test("identity and numbers become properties", () => {
  expect(switchesFor(ENTRIES, changed(1, { eax: 0x50654 }), FLAGS).switches).toEqual([
    "family=6",
    "model=85",
    "stepping=4",
  ]);
  expect(switchesFor(ENTRIES, changed(0, { eax: 5 }), FLAGS).switches).toEqual(["level=5"]);
});

test("a state component goes with the features that use it", () => {
  expect(switchesFor(ENTRIES, changed(0xd, { eax: 3 }), FLAGS).switches).toEqual(["-avx"]);
});

test("a feature that the node lacks is never switched on, but found", () => {
  const { switches, findings } = switchesFor(ENTRIES, changed(7, { ebx: 0x2000_0120 }), FLAGS);
  expect(switches).toEqual([]);
  expect(findings).toMatchObject([{ name: "SHA", bits: 0x2000_0000 }]);
});

test("what QEMU has no switch for is found: numbers of a leaf, and bits that no row names", () => {
  const { findings } = switchesFor(ENTRIES, changed(5, { ecx: 0, edx: 0 }), FLAGS);
  expect(findings).toMatchObject([{ address: "CPUID.05H:ECX", name: "MONITOR_ecx" }]);
  const odd = changed(1, { eax: 0x306c1, ebx: 0 });
  expect(switchesFor(odd, changed(1, { edx: 1 << 10 }), FLAGS).findings).toMatchObject([
    { address: "CPUID.01H:EDX", bits: 1 << 10, name: undefined },
  ]);
});

test("a template shapes what the node offers; one that names more is refused", () => {
  const template = {
    ...EMPTY_TEMPLATE,
    cpuidModifiers: [
      { leaf: 7, subleaf: 0, flags: 1, modifiers: [{ register: "ebx", mask: 0x20, value: 0 }] },
    ],
  } as const;
  const shaped = guestCpuid(ENTRIES, { kind: "template", template });
  expect(shaped?.find(({ leaf }) => leaf === 7)?.ebx).toBe(0x100);
  const few = ENTRIES.filter(({ leaf }) => leaf !== 7);
  expect(() => guestCpuid(few, { kind: "template", template })).toThrow("7.0");
  expect(() => guestCpuid(ENTRIES, { kind: "built-in", name: "T2CL" })).toThrow("T2CL");
});

interface FeatureWord {
  readonly "cpuid-input-eax": number;
  readonly "cpuid-input-ecx"?: number;
  readonly "cpuid-register": string;
  readonly features: number;
}

/** Plugs CPUs that differ from the base in one switch, and asks QEMU for their CPUID words. */
async function bitsOfFlags(flags: readonly string[]): Promise<Map<string, string[]>> {
  const directory = temporaryDirectory();
  const args = ["-M", "q35", "-accel", "tcg", "-cpu", "qemu64", "-S", "-display", "none"];
  const rest = [
    "-nodefaults",
    "-smp",
    "1,maxcpus=240,sockets=240",
    "-qmp",
    "unix:q,server=on,wait=off",
  ];
  const child = spawn(QEMU_BINARY, [...args, ...rest], {
    cwd: directory,
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  for (let i = 0; i < 500 && !existsSync(join(directory, "q")); i++) await sleep(20);
  return withQmp(join(directory, "q"), async (execute) => {
    const words = async (path: string) => {
      const of = async (property: string) =>
        (await execute("qom-get", { path, property })) as FeatureWord[];
      const all = [...(await of("feature-words")), ...(await of("filtered-features"))];
      return all.flatMap((word) => {
        const place = `${word["cpuid-input-eax"]}.${word["cpuid-input-ecx"] ?? 0}.${word["cpuid-register"].toLowerCase()}`;
        return Array.from({ length: 32 }, (_, bit) => `${place}.${bit}`).filter(
          (_, bit) => (word.features / 2 ** bit) & 1,
        );
      });
    };
    const plug = async (id: string, socket: number, switches: object) => {
      const place = { "socket-id": socket, "core-id": 0, "thread-id": 0 };
      await execute("device_add", { driver: "qemu64-x86_64-cpu", id, ...place, ...switches });
      return words(`/machine/peripheral/${id}`);
    };
    const off = Object.fromEntries(flags.map((flag) => [flag, false]));
    const bare = new Set(await plug("bare", 1, off));
    const found = new Map<string, string[]>();
    for (const [i, flag] of flags.entries()) {
      const on = await plug(`cpu${i}`, i + 2, { ...off, [flag]: true });
      found.set(
        flag,
        on.filter((bit) => !bare.has(bit)),
      );
    }
    return found;
  });
}

test("each feature's switch sets the very bit that its row names", async ({ skip }) => {
  const missing = await missingQemu();
  if (missing !== undefined) skip(missing);
  const { flags } = await qemuCpus();
  // KVM's own leaf does not exist under emulation.
  const rows = CPUID_FIELDS.filter(
    ({ kind, leaf }) => (kind === "feature" || kind === "union") && leaf !== 0x4000_0001,
  );
  const named = rows.flatMap((row) => {
    const property = propertyOf(row.name, flags);
    return property === undefined ? [] : [{ row, property }];
  });
  expect(named.length).toBeGreaterThan(150);
  const bits = await bitsOfFlags([...new Set(named.map(({ property }) => property))]);
  for (const { row, property } of named) {
    const place = `${row.leaf}.${row.subleaf ?? 0}.${row.register}.${row.lo}`;
    expect([property, bits.get(property)]).toEqual([property, expect.arrayContaining([place])]);
  }
});

async function bootSomething(directory: string): Promise<MicroVm> {
  const kernel = await findKernel();
  const driver = await qemuDriver({ cpu: "Haswell-noTSX" });
  return driver.boot({
    directory,
    kernel: kernel.path,
    drives: [],
    // Without a root file system it stops in a panic, which is all that is needed here.
    bootArgs: "console=ttyS0 quiet",
    vcpus: 1,
    smt: false,
    memoryMib: 96,
    cpu: { kind: "none" },
  });
}

async function untilConsole(vm: MicroVm, words: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (existsSync(vm.console) && readFileSync(vm.console, "utf8").includes(words)) return;
    await sleep(100);
  }
  throw new Error(`the console never said "${words}"`);
}

test("a microVM boots, is adopted, snapshotted, loaded elsewhere, and killed twice", async ({
  skip,
}) => {
  const missing = await missingQemu();
  if (missing !== undefined) skip(missing);
  const [first, second, store] = [temporaryDirectory(), temporaryDirectory(), temporaryDirectory()];
  const vm = await bootSomething(first);
  onTestFinished(() => vm.kill());
  await untilConsole(vm, "Kernel panic");
  await vm.pause();
  const files = { state: join(store, "it's"), memory: join(store, "memory") };
  expect(codeOf(await failure(vm.snapshot(files, "diff")))).toBe("NOT_WITH_QEMU");
  await vm.snapshot(files, "full");

  const other = await qemuDriver({ cpu: "IvyBridge" });
  const adopted = await other.adopt(vm.record);
  expect(adopted?.record).toEqual(vm.record);
  await adopted?.kill();
  await vm.kill();
  expect(await other.adopt(vm.record)).toBeUndefined();
  expect(existsSync(join(first, "qmp.sock"))).toBe(false);

  const spec = { directory: second, snapshot: files, memory: { kind: "file" } } as const;
  const loaded = await other.load(spec);
  onTestFinished(() => loaded.kill());
  await loaded.resume();
  await loaded.pause();
  await loaded.kill();
  expect(await loaded.exited).toMatchObject({ signal: "SIGKILL" });
  const noFile = { ...spec, snapshot: { ...files, state: join(store, "none") } };
  expect(codeOf(await failure(other.load(noFile)))).toBe("BAD_SNAPSHOT");
});

test("a start that fails says so in QEMU's own words", async ({ skip }) => {
  const missing = await missingQemu();
  if (missing !== undefined) skip(missing);
  const noModel = await failure(qemuDriver({ cpu: "Haswel,-avx2" }));
  expect([codeOf(noModel), String(noModel)]).toEqual([
    "NO_CPU_MODEL",
    expect.stringContaining('no CPU model "Haswel"'),
  ]);
  const driver = await qemuDriver({ cpu: "Haswell" });
  const spec = { kernel: "/k", drives: [], bootArgs: "", vcpus: 1, smt: false, memoryMib: 64 };
  const directory = temporaryDirectory();
  const error = await failure(driver.boot({ ...spec, directory, cpu: { kind: "none" } }));
  expect([codeOf(error), String(error)]).toEqual([
    "VMM_START_FAILED",
    expect.stringContaining("could not open kernel file '/k'"),
  ]);
});

test("a QEMU that is not there is named, with the package to install", async () => {
  const error = await failure(qemuDriver({ cpu: "Haswell", binary: "/nonexistent/qemu" }));
  expect(codeOf(error)).toBe("NO_QEMU");
  expect(error instanceof HostError && error.hint).toContain("apt-get install qemu-system-x86");
});
