/**
 * The launcher in a jailer's place. Set EVENKEEL_FIRECRACKER to a binary with its jailer beside it,
 * under the names `firecracker` and `jailer`.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parseTemplate } from "@evenkeel/core";
import { writeTinyKernel } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
import { installLauncher, launcherStatus, uninstallLauncher } from "../src/index.ts";
import { hasJailer } from "../src/isolation/jailer.ts";
import { endAllOf } from "../src/isolation/processes.ts";
import { appears, call, leftovers, run } from "./launched.ts";
import { iceLake, temporaryDirectory } from "./pool.ts";

const BINARY = process.env["EVENKEEL_FIRECRACKER"] ?? "";
const USER = 0x7300_0000;

function missing(): string | undefined {
  if (BINARY === "") return "EVENKEEL_FIRECRACKER is not set";
  if (!hasJailer(BINARY)) return `there is no jailer beside ${BINARY}`;
  return process.getuid?.() === 0 ? undefined : "the jailer needs root";
}

/** Names a leaf that no KVM reports: every boot says so, and so shows that the template is there. */
const MARKED = parseTemplate({
  cpuid_modifiers: [{ leaf: "0x3fff", subleaf: "0x7", flags: 0, modifiers: [] }],
});
const MARK = "Template changes a CPUID entry not supported by KVM: Leaf: 3fff, Subleaf: 7";

/** A release of its own, with a launcher in its jailer's place. */
async function installed(change: object = {}) {
  const directory = temporaryDirectory();
  for (const name of ["firecracker", "jailer"]) {
    copyFileSync(join(dirname(BINARY), name), join(directory, name));
  }
  const jailer = join(directory, "jailer");
  const record = await installLauncher({
    firecracker: jailer,
    at: jailer,
    choose: () => ({ template: MARKED, source: "a test" }),
    time: "2026-11-24T00:00:00.000Z",
    path: process.env["PATH"] ?? "",
    ...change,
  });
  const root = join(directory, "firecracker.d", "firecracker/vm-1/root");
  mkdirSync(join(directory, "firecracker.d"));
  return { directory, jailer, record, root };
}

function args(directory: string, own: readonly string[], rest: readonly string[]): string[] {
  const user = ["--uid", String(USER), "--gid", String(USER)];
  const where = ["--exec-file", join(directory, "firecracker")];
  const base = ["--chroot-base-dir", join(directory, "firecracker.d")];
  return ["--id", "vm-1", ...where, ...user, ...base, ...own, ...rest];
}

async function boot(root: string, socket: string) {
  writeTinyKernel(join(root, "kernel"));
  await call(socket, "PUT", "/boot-source", { kernel_image_path: "kernel" });
  await call(socket, "PUT", "/machine-config", { vcpu_count: 1, mem_size_mib: 16 });
  return call(socket, "PUT", "/actions", { action_type: "InstanceStart" });
}

const WHY = missing();
if (WHY !== undefined) process.stdout.write(`skipped behind a jailer: ${WHY}\n`);

test.skipIf(WHY !== undefined).each([
  ["as it is", [], ["--", "--api-sock", "api.sock"], "api.sock"],
  ["with the default socket", [], [], "run/firecracker.socket"],
  ["in a new PID namespace", ["--new-pid-ns"], ["--", "--api-sock", "/api.sock"], "api.sock"],
  ["as a daemon", ["--daemonize", "--new-pid-ns"], ["--", "--api-sock", "/run/a"], "run/a"],
  ["as a daemon without", ["--daemonize"], ["--", "--api-sock", "/run/a"], "run/a"],
] as const)(
  "a jailer started %s gives its Firecracker the template",
  async (_, own, rest, path) => {
    const { directory, jailer, record, root } = await installed();
    expect(record).toMatchObject({ jailed: join(directory, "firecracker"), moved: true });
    run(jailer, args(directory, own, rest));
    // What a jailer leaves behind holds its output open.
    onTestFinished(async () => void (await endAllOf(USER)));
    const socket = join(root, path);
    await appears(socket);
    expect(statSync(socket).uid).toBe(USER);
    expect((await boot(root, socket)).body).toContain(MARK);
    expect(leftovers(dirname(socket))).toEqual([]);
  },
);

test("another Firecracker, a configuration file and a guard are refused, and nothing starts", async ({
  skip,
}) => {
  if (WHY !== undefined) skip(WHY);
  const { directory, jailer, root } = await installed();
  const refused = async (command: readonly string[]) => {
    const { exit, output } = run(jailer, command);
    expect((await exit).code).not.toBe(0);
    return output();
  };
  const good = args(directory, [], []);
  const other = good.map((word) => (word.endsWith("/firecracker") ? "/bin/true" : word));
  expect(await refused(other)).toContain("is for");
  writeFileSync(join(directory, "config"), "{}");
  expect(await refused([...good, "--", "--config-file", "config"])).toContain("in a jail");
  expect(await refused([...good, "--", "--api-sock", "../../../s"])).toContain("leads out of");
  // What the jailer itself refuses, it says itself.
  expect(await refused(good.slice(2))).toMatch(/id/);
  expect(existsSync(join(root, "run/firecracker.socket"))).toBe(false);
  await expect(installed({ guard: iceLake })).rejects.toThrow("cannot see the files in a jail");
});

test("a launcher in a jailer's place says what it is, and goes", async ({ skip }) => {
  if (WHY !== undefined) skip(WHY);
  const { directory, jailer } = await installed();
  expect(launcherStatus(jailer).problems).toEqual([]);
  const again = await installLauncher({
    firecracker: jailer,
    at: jailer,
    choose: () => ({ template: MARKED, source: "again" }),
    time: "2026-11-24T00:00:00.000Z",
    path: process.env["PATH"] ?? "",
  });
  expect(again.jailed).toBe(join(directory, "firecracker"));
  uninstallLauncher(jailer);
  expect(readFileSync(jailer).equals(readFileSync(join(dirname(BINARY), "jailer")))).toBe(true);
});
