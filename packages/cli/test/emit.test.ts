/** `plan --emit`, tried on the programs that it is for. */
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fieldByName, VMM_NAMES } from "@evenkeel/core";
import { expect, test } from "vitest";
import { run, temporaryDirectory } from "./run.ts";

const PLAN = ["plan", "--example", "--emit"];

/** Whether a program is here; CI installs all of them. */
function isHere(program: string): boolean {
  const here = spawnSync(program, ["--version"]).error === undefined;
  if (!here && process.env["CI"] === "true") throw new Error(`${program} is not installed`);
  if (!here) process.stdout.write(`${program} is not here: what it is told is not tried\n`);
  return here;
}

interface FeatureWord {
  readonly "cpuid-register": string;
  readonly "cpuid-input-eax": number;
  readonly "cpuid-input-ecx"?: number;
  readonly features: number;
}

/** Starts a machine whose vCPU does not run, and asks QEMU what its CPU has. */
async function askQemu(cpu: string, properties: readonly string[]): Promise<unknown[]> {
  const args = ["-M", "q35", "-accel", "tcg", "-S", "-nodefaults", "-display", "none"];
  const child = spawn("qemu-system-x86_64", [...args, "-cpu", cpu, "-qmp", "stdio"]);
  const path = "/machine/unattached/device[0]";
  const commands = [
    { execute: "qmp_capabilities" },
    ...properties.map((property) => ({ execute: "qom-get", arguments: { path, property } })),
    { execute: "quit" },
  ];
  child.stdin.end(commands.map((command) => `${JSON.stringify(command)}\n`).join(""));
  const answers: unknown[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const answer = JSON.parse(line) as { return?: unknown; error?: unknown };
    if (answer.error !== undefined) throw new Error(line);
    if ("return" in answer) answers.push(answer.return);
  }
  return answers.slice(1, 1 + properties.length);
}

const placeOf = (word: FeatureWord) =>
  `${word["cpuid-input-eax"]}:${word["cpuid-input-ecx"] ?? 0}:${word["cpuid-register"].toLowerCase()}`;

/** By word: what QEMU gives the guest and what its emulation has not, of what it was told. */
function together(lists: readonly (readonly FeatureWord[])[]): Map<string, number> {
  const words = new Map<string, number>();
  for (const word of lists.flat()) {
    words.set(placeOf(word), ((words.get(placeOf(word)) ?? 0) | word.features) >>> 0);
  }
  return words;
}

/** The words as the plan has them, of the bits that were told. */
function planned(told: ReadonlySet<string>): Map<string, number> {
  const words = new Map<string, number>();
  for (const { field, qemu } of VMM_NAMES) {
    const row = fieldByName(field);
    if (!told.has(`${qemu}=on`) || row === undefined || !("leaf" in row)) continue;
    const key = `${row.leaf}:${row.subleaf ?? 0}:${row.register}`;
    words.set(key, ((words.get(key) ?? 0) | (1 << row.lo)) >>> 0);
  }
  return words;
}

/** QEMU works these out from the others; and KVM's own leaf is KVM's. */
const QEMUS_OWN = new Set(["13:0:eax", "13:0:edx", "13:1:ecx", "13:1:edx", "1073741825:0:eax"]);

test("QEMU starts with it, and has each bit of the plan where it has a word for it", async () => {
  if (!isHere("qemu-system-x86_64")) return;
  const { stdout } = await run([...PLAN, "qemu"]);
  const later = new Set(VMM_NAMES.filter((name) => name.later).map(({ qemu }) => `${qemu}=on`));
  const cpu = stdout
    .replace(/^-cpu /, "")
    .trim()
    .split(",");
  // Debian 12's QEMU does not know these; and emulation has not all of the others.
  const told = cpu.filter((word) => !later.has(word) && word !== "enforce=on").join(",");
  const properties = ["feature-words", "filtered-features", "family", "model", "stepping"];
  const [has, lacks, ...identity] = await askQemu(told, properties);
  expect(identity).toEqual([6, 85, 7]);
  const words = together([has as FeatureWord[], lacks as FeatureWord[]]);
  const expected = planned(new Set(told.split(",")));
  expect(expected.size).toBeGreaterThan(10);
  for (const [key, bits] of [...words].filter(([place]) => !QEMUS_OWN.has(place))) {
    expect([key, bits]).toEqual([key, expected.get(key) ?? 0]);
  }
  for (const key of expected.keys()) expect(words.has(key)).toBe(true);
});

test("QEMU refuses what its host lacks", () => {
  if (!isHere("qemu-system-x86_64")) return;
  const args = ["-M", "none", "-accel", "tcg", "-nodefaults", "-display", "none"];
  const cpu = "base,vendor=GenuineIntel,family=6,model=85,stepping=7,avx512f=on,enforce=on";
  const { status, stderr } = spawnSync(
    "qemu-system-x86_64",
    [...args, "-M", "q35", "-S", "-cpu", cpu],
    {
      encoding: "utf8",
    },
  );
  expect([status, stderr]).toEqual([1, expect.stringContaining("avx512f")]);
});

/** As libvirt takes a host's CPU: no policies. */
function asHost(xml: string, policy: string): string {
  const features = [...xml.matchAll(new RegExp(`policy='${policy}' name='([^']+)'`, "g"))];
  const model = /<model[^>]*>([^<]+)</.exec(xml)?.[1] ?? "";
  const lines = features.map(([, name]) => `<feature name='${name}'/>`);
  return `<cpu><arch>x86_64</arch><model>${model}</model>${lines.join("")}</cpu>`;
}

test("libvirt accepts the XML, and knows the model and each name", async () => {
  if (!isHere("virt-xml-validate") || !isHere("virsh")) return;
  const file = join(temporaryDirectory(), "cpu.xml");
  const { stdout } = await run([...PLAN, "libvirt"]);
  writeFileSync(file, stdout);
  expect(spawnSync("virt-xml-validate", [file, "cpu"]).status).toBe(0);
  for (const policy of ["require", "disable"]) {
    writeFileSync(file, asHost(stdout, policy));
    const args = ["-c", "test:///default", "cpu-baseline", file];
    const { status, stderr } = spawnSync("virsh", args, { encoding: "utf8" });
    expect([policy, status, stderr]).toEqual([policy, 0, ""]);
  }
});

test("what cannot be said is told on standard error, and the exit code says whether it matters", async () => {
  const { status, stdout, stderr } = await run([...PLAN, "qemu"]);
  expect(status).toBe(1);
  expect(stdout).toMatch(
    /^-cpu base,vendor=GenuineIntel,family=6,model=85,stepping=7,.*,enforce=on\n$/,
  );
  expect(stderr).toContain("Guests may leave a mitigation off:\n  QEMU has no name for RRSBA");
  const json = await run([...PLAN, "qemu", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ monitor: "qemu", text: stdout });
});

test.each([
  [[...PLAN, "qemo"], 'but is "qemo" (did you mean qemu?)'],
  [[...PLAN, "qemu", "--split", "2"], "--emit is for one pool"],
])("%j is refused", async (args, message) => {
  const { status, stderr } = await run(args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
});
