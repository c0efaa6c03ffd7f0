/** `evenkeel launcher` as an operator uses it, on a double of Firecracker. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
import { CLX, ICX, run, temporaryDirectory } from "./run.ts";

function firecrackerIn(directory: string, version = "1.14.1"): string {
  return installDouble(join(directory, "versions"), { version }).path;
}

test("install with a plan, status, uninstall", async () => {
  const directory = temporaryDirectory();
  const firecracker = firecrackerIn(directory);
  const before = readFileSync(firecracker, "utf8");
  const plan = join(directory, "plan");
  expect((await run(["plan", CLX, ICX, "--out", plan])).status).toBe(0);
  const place = ["--firecracker", firecracker, "--at", firecracker];

  const done = await run(["launcher", "install", ...place, "--plan", plan, "--node", ICX]);
  expect([done.status, done.stderr]).toEqual([0, ""]);
  expect(done.stdout).toContain("Firecracker   1.14.1 at");
  expect(done.stdout).toMatch(/class ice-lake-sp-[0-9a-f]{6}/);

  const { status, stdout } = await run(["launcher", "status", "--at", firecracker, "--json"]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ moved: true, node: "xeon-silver-4314", problems: [] });

  expect((await run(["launcher", "uninstall", "--at", firecracker])).status).toBe(0);
  expect(readFileSync(firecracker, "utf8")).toBe(before);
  expect((await run(["launcher", "status", "--at", firecracker])).stderr).toContain(
    "is not a launcher",
  );
});

test("a built-in template is installed as a custom one, and a missing profile is said", async () => {
  const directory = temporaryDirectory();
  const at = join(directory, "launcher");
  const place = ["--firecracker", firecrackerIn(directory), "--at", at];
  const noKvm = ["--kvm", join(directory, "no-kvm")];
  const install = ["launcher", "install", ...place, ...noKvm, "--cpu-template", "T2CL"];
  const { status, stderr } = await run(install);
  expect(status).toBe(0);
  expect(stderr).toContain("this machine has no KVM, and no profile was given with --node");
  expect(readFileSync(at, "utf8")).toContain('"cpuid_modifiers"');
});

test("a guard needs the node's profile, and status names its program", async () => {
  const directory = temporaryDirectory();
  const at = join(directory, "launcher");
  const place = ["--firecracker", firecrackerIn(directory), "--at", at];
  const install = ["launcher", "install", ...place, "--cpu-template", "T2CL", "--guard"];
  const refused = await run([...install, "--kvm", join(directory, "no-kvm")]);
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining("--guard judges")]);
  expect(existsSync(at)).toBe(false);
  expect((await run([...install, "--node", ICX])).status).toBe(0);
  const { stdout } = await run(["launcher", "status", "--at", at, "--json"]);
  const { program } = (JSON.parse(stdout) as { guard: { program: string } }).guard;
  expect(existsSync(program)).toBe(true);
});

test("a launcher is one node's, and goes nowhere that nodes share", async () => {
  const directory = temporaryDirectory();
  const [source, shared] = [join(directory, "bucket"), join(directory, "mounted")];
  mkdirSync(source);
  mkdirSync(shared);
  const mounted = spawnSync("bindfs", [source, shared], { encoding: "utf8" });
  if (mounted.status !== 0 && process.env["CI"] !== "true") {
    const reason = mounted.error?.message ?? mounted.stderr;
    process.stdout.write(`no FUSE mount: installing on one is not tried: ${reason}\n`);
    return;
  }
  onTestFinished(() => void spawnSync("umount", [shared]));
  const place = ["--firecracker", firecrackerIn(directory), "--at", join(shared, "v", "launcher")];
  const install = ["launcher", "install", ...place, "--cpu-template", "T2CL", "--node", ICX];
  const { status, stdout } = await run([...install, "--json"]);
  expect(status).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "LAUNCHER_SHARED" } });
  expect(existsSync(join(source, "v"))).toBe(false);
});

test("--contracts is for a guard, and status names the directory", async () => {
  const directory = temporaryDirectory();
  const at = join(directory, "deep", "launcher");
  const place = ["--firecracker", firecrackerIn(directory), "--at", at, "--node", ICX];
  const install = ["launcher", "install", ...place, "--cpu-template", "T2CL"];
  const contracts = ["--contracts", join(directory, "contracts")];
  const refused = await run([...install, ...contracts]);
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining("needs --guard")]);
  const done = await run([...install, ...contracts, "--guard"]);
  expect(done.stdout).toContain(`contracts     ${directory}/contracts`);
  const { status, stdout } = await run(["launcher", "status", "--at", at, "--json"]);
  expect(status).toBe(1);
  expect((JSON.parse(stdout) as { problems: string[] }).problems).toEqual([
    `${directory}/contracts, the contract directory, is missing`,
  ]);
});

test.each([
  [["--cpu-template", "T2S", "--node", ICX], 1, "refuses T2S on model 6/106/6"],
  [["--cpu-template", "T9"], 2, 'no built-in template is named "T9"'],
  [["--cpu-template", "None"], 2, "give one of --template, --cpu-template and --plan"],
  [["--cpu-template", "T2", "--template", CLX], 2, "give one of --template"],
  [["--plan", "examples", "--node", ICX], 2, "examples: "],
  [["--template", "README.md"], 2, "README.md: "],
])("%j is refused, and nothing is installed", async (flags, status, message) => {
  const directory = temporaryDirectory();
  const at = join(directory, "launcher");
  const place = ["--firecracker", firecrackerIn(directory), "--at", at];
  const outcome = await run(["launcher", "install", ...place, ...flags]);
  expect(outcome.stderr).toContain(message);
  expect(outcome.status).toBe(status);
  expect(existsSync(at)).toBe(false);
});
