/** The launcher takes Firecracker's place, in front of the double and of a real one alike. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { installDouble, writeTinyKernel } from "@evenkeel/firecracker-double";
import { parseTemplate, type CpuTemplate } from "@evenkeel/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installLauncher, launcherStatus, uninstallLauncher } from "../src/index.ts";
import { BACKENDS } from "./firecrackers.ts";
import { appears, call, childrenOf, leftovers, run, type Answer } from "./launched.ts";
import { temporaryDirectory } from "./pool.ts";

/** Names a leaf that no KVM reports: every boot says so, and so shows that the template is there. */
const MARKED = parseTemplate({
  cpuid_modifiers: [{ leaf: "0x3fff", subleaf: "0x7", flags: 0, modifiers: [] }],
});
const MARK = "Template changes a CPUID entry not supported by KVM: Leaf: 3fff, Subleaf: 7";

/** A node profile makes the double look at templates. */
const PROFILE = join(
  import.meta.dirname,
  "../../../examples/bug-report-pool/xeon-silver-4216.json",
);

async function install(firecracker: string, at: string, template: CpuTemplate = MARKED) {
  return installLauncher({
    firecracker,
    at,
    choose: () => ({ template, source: "a test" }),
    time: "2026-11-24T00:00:00.000Z",
    path: process.env["PATH"] ?? "",
  });
}

/** Boots as an orchestrator does that knows nothing of templates. */
async function boot(socket: string, kernel: string): Promise<Answer> {
  writeTinyKernel(kernel);
  await call(socket, "PUT", "/boot-source", { kernel_image_path: kernel });
  await call(socket, "PUT", "/machine-config", { vcpu_count: 1, mem_size_mib: 16 });
  return call(socket, "PUT", "/actions", { action_type: "InstanceStart" });
}

describe.each(BACKENDS)("in front of $name", ({ binary, version }) => {
  const shared = mkdtempSync(join(tmpdir(), "evenkeel-launcher-"));
  const installedOnce = join(shared, "launcher");
  let real = "";
  beforeAll(async () => {
    real = binary(join(shared, "versions"), { profile: PROFILE });
    await install(real, installedOnce);
  });
  afterAll(() => rmSync(shared, { recursive: true, force: true }));

  /** A launcher of one's own: a copy, which is as good as the one installed. */
  function installed() {
    const directory = temporaryDirectory();
    const at = join(directory, "launcher");
    copyFileSync(installedOnce, at);
    return { directory, at, socket: join(directory, "fc.sock") };
  }

  test("the API has the template, whatever the orchestrator configures later", async () => {
    const { directory, at, socket } = installed();
    run(at, ["--api-sock", socket]);
    await appears(socket);
    const { status, body } = await boot(socket, join(directory, "kernel"));
    expect(status).toBe(400);
    expect(body).toContain(MARK);
  });

  test("the process is Firecracker itself, alone, and dies of its own signals", async () => {
    const { directory, at, socket } = installed();
    const { child, exit } = run(at, ["--api-sock", socket, "--id", "some-id"]);
    await appears(socket);
    expect((await call(socket, "GET", "/")).body).toContain('"id":"some-id"');
    expect(readlinkSync(`/proc/${child.pid}/exe`)).not.toContain("perl");
    await expect.poll(() => childrenOf(child.pid)).toEqual([]);
    await expect.poll(() => leftovers(directory)).toEqual([]);
    child.kill("SIGTERM");
    expect(await exit).toEqual({ code: null, signal: "SIGTERM" });
  });

  test("what starts no microVM ends as without a launcher", async () => {
    const { at } = installed();
    const commands = [
      ["--version"],
      ["--help"],
      ["-h"],
      ["--snapshot-version"],
      ["--describe-snapshot", "/nowhere"],
      ["--nonsense"],
      ["--api-sock"],
      ["--no-api"],
      ["--api-sock=x"],
      ["--api-sock", "--id"],
    ];
    for (const args of commands) {
      // Firecracker's log lines begin with the time.
      const outcome = (command: string) => {
        const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
        const timeless = (text: string) => text.replaceAll(/^\S+ (?=\[)/gm, "");
        return { args, status, stdout: timeless(stdout), stderr: timeless(stderr) };
      };
      expect(outcome(at)).toEqual(outcome(real));
    }
  });

  test("a socket named relative to the working directory, with spaces in it", async () => {
    const { directory, at } = installed();
    const cwd = join(directory, "a dir");
    mkdirSync(cwd);
    run(at, ["--api-sock", "my fc.sock"], cwd);
    await appears(join(cwd, "my fc.sock"));
    expect((await call(join(cwd, "my fc.sock"), "GET", "/version")).body).toContain(version);
  });

  test("a path that is taken is refused as Firecracker refuses it, and stays as it is", async () => {
    const { at, socket } = installed();
    writeFileSync(socket, "mine");
    const { status, stderr } = spawnSync(at, ["--api-sock", socket], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain(`Failed to open the API socket at: ${socket}.`);
    expect(readFileSync(socket, "utf8")).toBe("mine");
  });

  test("a template that is refused ends the start: no socket, the reason on stderr", async () => {
    const { directory, at, socket } = installed();
    const broken = readFileSync(at, "utf8").replace('{"cpuid_modifiers"', '{"cpuid_nonsense"');
    writeFileSync(at, broken);
    const { output, exit } = run(at, ["--api-sock", socket]);
    expect(await exit).toEqual({ code: null, signal: "SIGKILL" });
    expect(output()).toContain("the microVM was ended: Firecracker refused the CPU template");
    expect(output()).toContain("unknown field `cpuid_nonsense`");
    expect(existsSync(socket)).toBe(false);
    expect(leftovers(directory)).toEqual([]);
  });

  test("a start that is killed at any moment leaves nothing behind", async () => {
    const { directory, at, socket } = installed();
    for (const delay of [0, 2, 4, 8, 16]) {
      const { child, exit } = run(at, ["--api-sock", `${socket}${delay}`]);
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill("SIGKILL");
      await exit;
    }
    await expect.poll(() => leftovers(directory)).toEqual([]);
  });

  test("many at once each get a socket of their own", async () => {
    const { directory, at } = installed();
    const sockets = Array.from({ length: 8 }, (_, i) => join(directory, `${i}.sock`));
    for (const [i, socket] of sockets.entries()) run(at, ["--api-sock", socket, "--id", `vm${i}`]);
    await Promise.all(sockets.map(appears));
    const answers = await Promise.all(sockets.map((socket) => call(socket, "GET", "/")));
    for (const [i, { body }] of answers.entries()) expect(body).toContain(`"id":"vm${i}"`);
  });

  test("a configuration file gets the template, with and without an API", async () => {
    const { directory, at, socket } = installed();
    const kernel = join(directory, "kernel");
    writeTinyKernel(kernel);
    const config = join(directory, "vm config.json");
    const bootSource = { kernel_image_path: kernel };
    writeFileSync(config, JSON.stringify({ "boot-source": bootSource, drives: [] }));
    for (const end of [["--no-api"], ["--api-sock", socket]]) {
      const args = ["--config-file", config, ...end];
      const { status, stderr, stdout } = spawnSync(at, args, { encoding: "utf8" });
      expect(status).not.toBe(0);
      expect(stderr + stdout).toMatch(/CpuidFeatureNotSupported\(16383, 7\)|Leaf: 3fff/);
    }
  });

  test("a configuration file that brings a template of its own is refused", async () => {
    const { directory, at } = installed();
    const config = join(directory, "config.json");
    writeFileSync(config, '{"cpu-config": null, "boot-source": {"kernel_image_path": "k"}}');
    const args = ["--no-api", "--config-file", config];
    const { status, stderr } = spawnSync(at, args, { encoding: "utf8" });
    expect(status).not.toBe(0);
    expect(stderr).toContain("duplicate field `cpu-config`");
  });

  test("what Firecracker does not take is never installed", async () => {
    const at = join(temporaryDirectory(), "launcher");
    const addr = 0x6030_0000_0013_c020n;
    const arm: CpuTemplate = { ...MARKED, regModifiers: [{ addr, mask: 1n, value: 0n }] };
    await expect(install(real, at, arm)).rejects.toThrow("unknown field `reg_modifiers`");
    expect(existsSync(at)).toBe(false);
  });
});

describe("installing", () => {
  test("in the very place of Firecracker moves it aside, and uninstalling brings it back", async () => {
    const directory = temporaryDirectory();
    const { path } = installDouble(directory, { version: "1.14.1" });
    const before = readFileSync(path, "utf8");
    const record = await install(path, path);
    expect(record).toMatchObject({ moved: true, version: "1.14.1" });
    expect(readFileSync(record.real, "utf8")).toBe(before);
    expect(readFileSync(path, "utf8")).toContain("evenkeel launcher");
    // Again, over itself.
    expect(await install(path, path)).toMatchObject({ real: record.real, moved: true });
    expect(launcherStatus(path).problems).toEqual([]);
    uninstallLauncher(path);
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(readdirSync(dirname(path))).toEqual(["double.json", "firecracker"]);
  });

  test("refuses a Firecracker before 1.5", async () => {
    const directory = temporaryDirectory();
    const { path } = installDouble(directory, { version: "1.4.1" });
    await expect(install(path, join(directory, "launcher"))).rejects.toMatchObject({
      code: "LAUNCHER_TOO_OLD",
    });
  });

  test("refuses to overwrite what is no launcher", async () => {
    const directory = temporaryDirectory();
    const { path } = installDouble(directory, { version: "1.14.1" });
    const at = join(directory, "precious");
    writeFileSync(at, "mine");
    await expect(install(path, at)).rejects.toMatchObject({ code: "LAUNCHER_OCCUPIED" });
    expect(readFileSync(at, "utf8")).toBe("mine");
  });

  test.each([
    ["no program", undefined],
    ["a program that is no Firecracker", "#!/bin/sh\necho hello\n"],
  ])("refuses %s", async (_, text) => {
    const directory = temporaryDirectory();
    const path = join(directory, "program");
    if (text !== undefined) {
      writeFileSync(path, text);
      chmodSync(path, 0o755);
    }
    await expect(install(path, join(directory, "launcher"))).rejects.toMatchObject({
      code: "NOT_FIRECRACKER",
    });
  });

  test("a Firecracker that was replaced since is not started, and status says so", async () => {
    const directory = temporaryDirectory();
    const { path } = installDouble(directory, { version: "1.14.1" });
    const at = join(directory, "launcher");
    await install(path, at);
    const later = Date.now() / 1000 + 60;
    utimesSync(path, later, later);
    expect(launcherStatus(at).problems).toEqual([`${path} is newer than the launcher`]);
    const { status, stderr } = spawnSync(at, [], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, expect.stringContaining("install the launcher again")]);
  });

  test("the default socket is named before what is not Firecracker's", async () => {
    const directory = temporaryDirectory();
    const { path } = installDouble(directory, { version: "1.14.1" });
    const at = join(directory, "launcher");
    await install(path, at);
    const printing = '#!/bin/sh\nprintf "%s\\n" "$@"\n';
    const record = launcherStatus(at).record;
    copyFileSync(path, join(directory, "kept"));
    writeFileSync(record.real, printing);
    utimesSync(record.real, 1, 1);
    const { stdout } = spawnSync(at, ["--id", "a b", "--", "--api-sock", "x"], {
      encoding: "utf8",
    });
    expect(stdout.replace(/\d+/, "PID")).toBe(
      "--id\na b\n--api-sock\n/run/.ekPID/s\n--\n--api-sock\nx\n",
    );
  });

  test("uninstalling what is no launcher is refused", () => {
    const directory = temporaryDirectory();
    expect(() => uninstallLauncher(join(directory, "none"))).toThrow("no launcher there");
  });
});
