/** `probe` and `verify` on this machine, as a user runs them. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readProfile, type NodeProfile } from "@evenkeel/core";
import { readRawCpu } from "@evenkeel/host";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  canReadIndependently,
  entryOf,
  hasKvm,
  independentReading,
} from "../../host/test/kvm-support.ts";
import { CLX, evenkeel, ROOT, temporaryDirectory } from "./run.ts";

const BIN = join(ROOT, "packages/cli/bin/evenkeel.js");

function template(name: string, json: object): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, JSON.stringify(json));
  return path;
}

const HIDDEN = "0b00000000000000000000000000000000";

/** Hides whole words of leaf 7. */
function hideLeaf7(): string {
  const modifiers = ["ebx", "ecx", "edx"].map((register) => ({ register, bitmap: HIDDEN }));
  return template("hide.json", {
    cpuid_modifiers: [{ leaf: "0x7", subleaf: "0x0", flags: 1, modifiers }],
  });
}

function loadProfile(path: string): NodeProfile {
  return readProfile(JSON.parse(readFileSync(path, "utf8")), "");
}

interface Mismatch {
  readonly owner: string;
  readonly address: string;
  readonly expected?: string;
  readonly actual?: string;
  readonly message: string;
}

function verify(...args: readonly string[]): { status: number | null; mismatches: Mismatch[] } {
  const { status, stdout } = evenkeel(["verify", ...args, "--json"]);
  return { status, mismatches: (JSON.parse(stdout) as { mismatches: Mismatch[] }).mismatches };
}

function installFirecracker(directory: string, path: string, script: string): string {
  const binary = join(directory, path);
  mkdirSync(join(binary, ".."), { recursive: true });
  writeFileSync(binary, `#!/bin/sh\n${script}\n`);
  chmodSync(binary, 0o755);
  return binary;
}

describe.runIf(hasKvm)("probe", () => {
  test("writes the profile that --json prints, and tells a person what it means", () => {
    const out = join(temporaryDirectory(), "node.json");
    const { status, stdout } = evenkeel(["probe", "--out", out, "--name", "here"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Node here \(x86_64\)/);
    expect(stdout).toMatch(/CPU templates: (enforced|NOT enforced)/);
    expect(stdout).toContain("without a template");
    expect(evenkeel(["probe", "--name", "here", "--json"]).stdout).toBe(readFileSync(out, "utf8"));
    expect(evenkeel(["show", out, "--json"]).status).toBe(0);
  });

  test("finds Firecracker versions in both layouts and asks each its version", () => {
    const directory = temporaryDirectory();
    const arch = process.arch === "arm64" ? "arm64" : "amd64";
    installFirecracker(directory, "v1.14.1_abc/firecracker", "echo Firecracker v1.14.1");
    installFirecracker(directory, `v1.10.1/${arch}/firecracker`, "echo Firecracker v1.10.1");
    installFirecracker(directory, "broken/firecracker", "exit 3");
    mkdirSync(join(directory, "empty"));
    const result = evenkeel(["probe", "--json", "--firecracker-dir", directory]);
    expect(result.status).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ firecracker: ["1.10.1", "1.14.1"] });
    expect(result.stderr).toContain("broken/firecracker does not run");
  });

  test("a Firecracker directory that was named must be there", () => {
    const { status, stderr } = evenkeel(["probe", "--firecracker-dir", "/nonexistent/fc"]);
    expect([status, stderr.split("\n")[0]]).toEqual([
      2,
      expect.stringContaining("/nonexistent/fc: ENOENT"),
    ]);
  });

  test("a node that enforces nothing is refused by plan, and an error to lint", () => {
    const out = join(temporaryDirectory(), "node.json");
    evenkeel(["probe", "--out", out]);
    const enforced = loadProfile(out).kvm?.enforcement?.enforced === true;
    const plan = evenkeel(["plan", out]);
    const lint = evenkeel(["lint", hideLeaf7(), "--node", out, "--json"]);
    expect(plan.status).toBe(enforced ? 0 : 1);
    expect(lint.stdout.includes('"unenforced"')).toBe(!enforced);
    expect(plan.stderr.replaceAll(/\s+/g, " ").includes("may not enforce CPU templates")).toBe(
      !enforced,
    );
  });
});

test("without KVM the exit code is 3, and the hint says how to get it", () => {
  for (const args of [["probe"], ["verify", hideLeaf7()]]) {
    const { status, stderr } = evenkeel([...args, "--kvm", "/nonexistent/kvm"]);
    expect([status, stderr]).toEqual([3, expect.stringContaining("hint: Run on Linux with KVM")]);
  }
  const { stdout } = evenkeel(["probe", "--json", "--kvm", "/nonexistent/kvm"]);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "NO_KVM" } });
});

test("without permission the exit code is 3, and the hint names the group", () => {
  const path = join(temporaryDirectory(), "kvm");
  writeFileSync(path, "", { mode: 0o000 });
  chmodSync(join(path, ".."), 0o755);
  // Root may open anything, so root becomes nobody.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const args = [BIN, "probe", "--kvm", path];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", ...nobody });
  expect([status, stderr]).toEqual([3, expect.stringContaining("usermod -aG kvm")]);
});

describe("probe --raw", () => {
  test("estimates without KVM, and nothing takes it for a measurement", () => {
    const out = join(temporaryDirectory(), "raw.json");
    const { status, stdout } = evenkeel(["probe", "--raw", "--kvm", "/nonexistent", "--out", out]);
    expect(status).toBe(0);
    expect(stdout).toContain("An estimate made without KVM");
    const profile = loadProfile(out);
    expect(profile.estimate).toBe(true);
    expect(profile.provenance).toMatch(/^estimated from .*, not measured$/);
  });

  test("takes /proc/cpuinfo where the tool is not installed, and says where neither is", async () => {
    const root = temporaryDirectory();
    await expect(readRawCpu("no-such-tool", root)).rejects.toMatchObject({
      code: "NO_CPU_DUMP",
      exitCode: 3,
    });
    mkdirSync(join(root, "proc"));
    writeFileSync(join(root, "proc/cpuinfo"), "processor : 0\n");
    expect(await readRawCpu("no-such-tool", root)).toEqual({
      text: "processor : 0\n",
      source: join(root, "proc/cpuinfo"),
    });
  });
});

test.runIf(hasKvm)("drift without a profile of now probes this machine", () => {
  const out = join(temporaryDirectory(), "node.json");
  evenkeel(["probe", "--out", out]);
  const { status, stdout } = evenkeel(["drift", "--baseline", out, "--json"]);
  const drift = JSON.parse(stdout) as { outcome: string; reasons: string[] };
  const enforced = loadProfile(out).kvm?.enforcement?.enforced === true;
  expect(drift.reasons.some((reason) => reason.includes("hardware's own CPUID"))).toBe(!enforced);
  expect(status === 0 || drift.outcome === "unknown" || !enforced).toBe(true);
});

describe.runIf(hasKvm)("verify", () => {
  test("a template that names an absent leaf fails in Firecracker's words", () => {
    const path = template("absent.json", {
      cpuid_modifiers: [
        { leaf: "0x2b", subleaf: "0x0", flags: 0, modifiers: [{ register: "eax", bitmap: "0b0" }] },
      ],
    });
    const words = "Template changes a CPUID entry not supported by KVM: Leaf: 2b, Subleaf: 0";
    const { status, stdout } = evenkeel(["verify", path]);
    expect([status, stdout]).toEqual([1, expect.stringContaining(words)]);
    expect(verify(path).mismatches).toContainEqual(
      expect.objectContaining({ owner: "absent", message: words }),
    );
  });

  test.runIf(canReadIndependently)("lists exactly the bits of leaf 7 that KVM brings back", () => {
    const masks = ["0", "ffffffff", "ffffffff", "ffffffff"];
    const lines = independentReading()("cleared", "7", "0", ...masks).map(entryOf);
    const back = lines.find(({ leaf, subleaf }) => leaf === 7 && subleaf === 0);
    // On Intel's CPUs Firecracker sets these two itself, after the template.
    const isIntel = readFileSync("/proc/cpuinfo", "utf8").includes("GenuineIntel");
    const written = isIntel ? (1 << 6) | (1 << 13) : 0;
    const bits = (["EBX", "ECX", "EDX"] as const).flatMap((register) => {
      const all = back?.[register.toLowerCase() as "ebx"] ?? 0;
      const word = register === "EBX" ? all & ~written : all;
      return Array.from({ length: 32 }, (_, bit) => bit)
        .filter((bit) => (word >>> bit) & 1)
        .map((bit) => `CPUID.(EAX=07H,ECX=0):${register}[${bit}]`);
    });
    const { status, mismatches } = verify(hideLeaf7(), "--firecracker", "1.16");
    const found = mismatches.filter((m) => m.owner === "kvm").map(({ address }) => address);
    const ofLeaf7 = found.filter((address) => address.startsWith("CPUID.(EAX=07H,ECX=0):E"));
    expect(ofLeaf7.toSorted()).toEqual(bits.toSorted());
    expect(status).toBe(found.length === 0 ? 0 : 1);
  });

  test("a file that is neither template nor plan is refused", () => {
    expect(evenkeel(["verify", CLX])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("not a CPU template") as string,
    });
    expect(evenkeel(["verify", "no-such-template"]).status).toBe(2);
  });

  test("a node whose CPU is not the planned one any more is told so", () => {
    const out = temporaryDirectory();
    evenkeel(["plan", CLX, "--out", out]);
    const moved = join(out, "moved.json");
    writeFileSync(moved, readFileSync(join(out, "plan.json")));
    for (const plan of [out, moved]) {
      const { status, stderr } = evenkeel(["verify", plan, "--name", "xeon-silver-4216"]);
      expect([status, stderr]).toEqual([1, expect.stringContaining("has changed since")]);
    }
  });

  test("a plan without this machine is refused", () => {
    const out = temporaryDirectory();
    evenkeel(["plan", CLX, "--out", out]);
    const { status, stderr } = evenkeel(["verify", out, "--name", "stranger"]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("no class that matches stranger"),
    ]);
  });
});

describe.runIf(hasKvm)("probe --watch", () => {
  function watch(...args: readonly string[]) {
    const child = spawn(process.execPath, [BIN, "probe", "--watch", ...args]);
    onTestFinished(() => void child.kill("SIGKILL"));
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    const exit = new Promise<number | null>((resolve) => child.on("exit", resolve));
    const lines = () => text.split("\n").slice(0, -1);
    const until = async (count: number) => {
      for (let i = 0; i < 600 && lines().length < count; i++) await sleep(50);
      return lines().map((line) => JSON.parse(line) as { reasons: string[]; changed: string[] });
    };
    return { child, exit, until };
  }

  test("prints a line at the start and one per change, and ends on SIGTERM", async () => {
    const directory = temporaryDirectory();
    const out = join(temporaryDirectory(), "node.json");
    const { child, exit, until } = watch("--firecracker-dir", directory, "--out", out);
    expect(await until(1)).toMatchObject([{ reasons: ["start"], changed: [] }]);
    installFirecracker(directory, "1.12.0/firecracker", "echo Firecracker v1.12.0");
    expect(await until(2)).toMatchObject([
      {},
      { reasons: ["firecracker"], changed: ["firecracker"] },
    ]);
    expect(loadProfile(out).firecracker).toEqual(["1.12.0"]);
    child.kill("SIGTERM");
    expect(await exit).toBe(0);
  });

  test("says after a restart what has changed since", async () => {
    const out = join(temporaryDirectory(), "node.json");
    evenkeel(["probe", "--out", out, "--name", "before"]);
    const { child, exit, until } = watch("--out", out, "--name", "after");
    expect(await until(1)).toMatchObject([{ reasons: ["start"], changed: ["name"] }]);
    child.kill("SIGINT");
    expect(await exit).toBe(0);
  });

  test("killed at any moment, it leaves the whole file or none", async () => {
    for (const delay of [150, 250, 320, 380, 450]) {
      const directory = temporaryDirectory();
      const out = join(directory, "node.json");
      const { child, exit } = watch("--out", out);
      await sleep(delay);
      child.kill("SIGKILL");
      await exit;
      const written = existsSync(out) ? loadProfile(out).incomplete : [];
      expect(written).toEqual([]);
      // What a kill between writing and renaming leaves is swept up by the next probe.
      expect(evenkeel(["probe", "--out", out]).status).toBe(0);
      expect(readdirSync(directory)).toEqual(["node.json"]);
    }
  });

  test("an interval that is no time is refused", () => {
    expect(evenkeel(["probe", "--watch", "--interval", "soon"]).status).toBe(2);
  });
});
