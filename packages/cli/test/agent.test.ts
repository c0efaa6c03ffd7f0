/** `evenkeel agent` as an operator starts it. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { parseJson, readProfile } from "@evenkeel/core";
import { expect, onTestFinished, test } from "vitest";
import { staleWithoutKvm } from "../src/input/own-profile.ts";
import { evenkeel, ICX, ROOT, temporaryDirectory } from "./run.ts";

/** Flags of an agent in a directory of its own, on doubles. */
function flagsIn(directory: string): string[] {
  const [versions, kernels, images] = ["fc", "kernels", "images"].map((n) => join(directory, n));
  if (versions === undefined || kernels === undefined || images === undefined) return [];
  installDouble(versions, { version: "1.14.1", console: ["Debian login:"] });
  mkdirSync(join(kernels, "6.1"), { recursive: true });
  writeFileSync(join(kernels, "6.1/vmlinux.bin"), "");
  mkdirSync(images);
  writeFileSync(join(images, "rootfs"), "");
  const listen = join(directory, "agent.sock");
  const places = ["--versions-dir", versions, "--kernels-dir", kernels, "--images-dir", images];
  const data = ["--data-dir", join(directory, "d"), "--listen", listen];
  return [
    "--profile",
    ICX,
    "--foreign-profile",
    "--log-level",
    "warn",
    ...OPEN,
    ...places,
    ...data,
  ];
}

/** Doubles have no jailer. */
const OPEN = ["--isolation", "none"];

test("without isolation it says so at each start, and isolation is what it starts with", () => {
  const flags = ["agent", ...flagsIn(temporaryDirectory()), "--check"];
  expect(evenkeel(flags).stderr).toContain("isolation: none: VMMs run with the agent's privileges");
  const isolated = evenkeel([...flags.filter((flag) => !OPEN.includes(flag)), "--json"]);
  const { error } = JSON.parse(isolated.stdout);
  expect([isolated.status, error.code]).toEqual([3, "NO_ISOLATION"]);
  expect(error.message).toContain("jailer is missing: put the jailer of the same release next to");
  const network = evenkeel([...flags, "--network-pool", "10.214.0.0/16", "--json"]);
  expect([network.status, JSON.parse(network.stdout).error.code]).toEqual([2, "BAD_CONFIG"]);
});

test("--check says what a configuration comes to, and starts nothing", () => {
  const directory = temporaryDirectory();
  const { status, stdout } = evenkeel(["agent", ...flagsIn(directory), "--check", "--json"]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    firecracker: "1.14.1",
    node: "xeon-silver-4314",
    cpu: "none",
    maxSandboxes: 1000,
  });
});

test("every release that is installed is driven; what is no release is left out, and why", () => {
  const directory = temporaryDirectory();
  const flags = flagsIn(directory);
  const versions = join(directory, "fc");
  installDouble(versions, { version: "v1.16.1_abc" }).change({ version: "1.16.1" });
  installDouble(versions, { version: "1.13.1" }).change({ version: "1.12.1" });
  installDouble(versions, { version: "9.9.9" });
  const check = (...more: string[]) => evenkeel(["agent", ...flags, "--check", "--json", ...more]);
  const { status, stdout, stderr } = check("--firecracker", "v1.14.1");
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    firecracker: "v1.14.1",
    releases: ["v1.14.1", "v1.16.1_abc"],
  });
  expect(stderr).toContain("Firecracker 1.13.1 is left out: ");
  expect(stderr).toContain("is Firecracker 1.12.1, not 1.13.1");
  expect(stderr).toContain(
    'Firecracker 9.9.9 is left out: nothing is known about Firecracker "9.9.9"',
  );
  // The usual one is not to be replaced by another in silence.
  const wrong = check("--firecracker", "1.13.1");
  expect([wrong.status, JSON.parse(wrong.stdout).error.code]).toEqual([3, "WRONG_FIRECRACKER"]);
});

test.each([
  ["no profile", ["--profile", ""], 2, "BAD_CONFIG"],
  ["TCP without a token", ["--listen", "127.0.0.1:0"], 2, "BAD_CONFIG"],
  ["a profile that is none", ["--profile", "package.json"], 2, "UNKNOWN_FORMAT"],
  ["a Firecracker that is not there", ["--firecracker", "1.12.1"], 3, "VMM_NOT_FOUND"],
  ["two ways to shape", ["--cpu-template", "T2CL", "--plan", "plan"], 2, "TEMPLATE_CONFLICT"],
  ["a template of another vendor", ["--cpu-template", "T2A"], 1, "TEMPLATE_FATAL"],
])("%s is an error with a code and a hint", (_, change, exitCode, code) => {
  const flags = [...flagsIn(temporaryDirectory()), ...change, "--check", "--json"];
  const { status, stdout, stderr } = evenkeel(["agent", ...flags]);
  expect([status, JSON.parse(stdout).error.code]).toEqual([exitCode, code]);
  expect(stderr).toContain("hint: ");
});

/** This machine's own profile, as far as it lets itself be probed. */
function ownProfile(directory: string): string {
  const path = join(directory, "own.json");
  if (evenkeel(["probe", "-o", path]).status !== 0) {
    process.stdout.write("KVM does not open: the profile is an estimate\n");
    evenkeel(["probe", "--raw", "-o", path]);
  }
  return path;
}

type Json = Record<string, Record<string, unknown>>;

test("a profile of this machine is taken, and warned about where something volatile changed", () => {
  const directory = temporaryDirectory();
  const path = ownProfile(directory);
  const flags = flagsIn(directory).filter((flag) => flag !== "--foreign-profile");
  const check = () => evenkeel(["agent", ...flags, "--profile", path, "--check", "--json"]);
  expect(check()).toMatchObject({ status: 0 });
  const profile = JSON.parse(readFileSync(path, "utf8")) as Json;
  const change = (host: object) => {
    writeFileSync(path, JSON.stringify({ ...profile, host: { ...profile["host"], ...host } }));
    return check();
  };
  const updated = change({ biosVersion: "0", microcode: "0x0" });
  expect([updated.status, updated.stderr]).toEqual([0, expect.stringContaining("microcode: 0x0")]);
  const other = change({ kernel: "3.10.0" });
  expect([other.status, JSON.parse(other.stdout).error]).toEqual([
    1,
    expect.objectContaining({
      code: "STALE_PROFILE",
      message: expect.stringContaining("kernel: 3.10.0 in the profile, "),
    }),
  ]);
});

test("another machine's profile is refused, unless it is said to be that", () => {
  const flags = [...flagsIn(temporaryDirectory()), "--check", "--json"];
  const said = evenkeel(["agent", ...flags]);
  expect([said.status, said.stderr]).toEqual([0, expect.stringContaining("without a check")]);
  const unsaid = evenkeel(["agent", ...flags.filter((flag) => flag !== "--foreign-profile")]);
  expect([unsaid.status, JSON.parse(unsaid.stdout).error.code]).toEqual([1, "STALE_PROFILE"]);
});

test("without KVM, the CPU's model and the kernel are compared", () => {
  const profile = readProfile(parseJson(readFileSync(join(ROOT, ICX), "utf8")), "icx");
  const cpu = { vendor: "GenuineIntel", family: 6, model: 0x6a, stepping: 6 };
  const held = (facts: object, identity: object) =>
    staleWithoutKvm(profile, { ...profile.host, ...facts }, { ...cpu, ...identity }).matters;
  expect(held({}, {})).toEqual([]);
  expect(held({}, { vendor: "AuthenticAMD" })).toHaveLength(1);
  expect(held({}, { vendor: undefined })).toHaveLength(1);
  expect(held({}, { model: 0x55 })).toHaveLength(1);
  expect(held({ kernel: "5.10.1" }, {})).toHaveLength(1);
});

test("a Firecracker that is not what its directory says is refused", () => {
  const directory = temporaryDirectory();
  const flags = flagsIn(directory);
  installDouble(join(directory, "fc"), { version: "1.15.0" }).change({ version: "1.14.1" });
  const { status, stdout } = evenkeel(["agent", ...flags, "--check", "--json"]);
  expect([status, JSON.parse(stdout).error.code]).toEqual([3, "WRONG_FIRECRACKER"]);
});

function ask(socketPath: string, path: string): Promise<string> {
  return new Promise((settle, reject) => {
    request({ socketPath, path }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => settle(text));
    })
      .once("error", reject)
      .end();
  });
}

/** The shell commands of docs/agent.md that call the API. */
function documented(socket: string): string {
  const text = readFileSync(join(ROOT, "docs/agent.md"), "utf8");
  const block = /```sh\n(agent\(\) [\s\S]*?)```/.exec(text)?.[1] ?? "";
  return block.replaceAll("/run/evenkeel/agent.sock", socket);
}

test("it runs, does what docs/agent.md shows, and ends when it is told to", async () => {
  const directory = temporaryDirectory();
  const flags = flagsIn(directory);
  const socket = join(directory, "agent.sock");
  const bin = join(ROOT, "packages/cli/bin/evenkeel.js");
  const child = spawn(process.execPath, [bin, "agent", ...flags], { cwd: ROOT, stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = new Promise((settle) => child.once("exit", settle));
  await expect
    .poll(() => ask(socket, "/v1/health").catch(() => ""), { timeout: 20_000 })
    .toContain('"status":"ok"');
  const shell = spawn("bash", ["-euc", documented(socket)], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [shell.stdout, shell.stderr]) stream.on("data", (text) => (said += text));
  expect([await new Promise((settle) => shell.once("close", settle)), said]).toEqual([
    0,
    expect.stringContaining('"sandboxes":[{"id":"one","state":"running"'),
  ]);
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});
