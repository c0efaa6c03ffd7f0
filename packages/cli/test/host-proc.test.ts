/** `evenkeel host-proc` as an operator uses it, on made machines. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { installDouble } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
import { CLX, ICX, ROOT, run, sharedDirectory, temporaryDirectory } from "./run.ts";

const shared = sharedDirectory();
const plan = join(shared, "plan");
const none = join(shared, "no-firecrackers");

const cpu = (processor: number, model: number) =>
  `processor\t: ${processor}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: ${model}\nmodel name\t: Xeon\nstepping\t: 7\nmicrocode\t: 0x1\ncpu MHz\t\t: ${2000 + Math.random()}\nflags\t\t: fpu gfni\n`;

/** A made /proc of a machine with these processors. */
function madeProc(directory: string, model: number, processors = [0, 1]): string {
  const proc = join(directory, `proc-${model}`);
  for (const name of ["1", "77", "self"]) mkdirSync(join(proc, name), { recursive: true });
  for (const name of ["stat", "meminfo", "loadavg", "filesystems"]) {
    writeFileSync(join(proc, name), `${name} of ${model}\n`);
  }
  writeFileSync(join(proc, "1", "mountinfo"), `mounts of ${model}\n`);
  writeCpus(proc, model, processors);
  return proc;
}

function writeCpus(proc: string, model: number, processors: readonly number[]): void {
  writeFileSync(join(proc, "cpuinfo"), `${processors.map((n) => cpu(n, model)).join("\n")}\n`);
}

async function planned(): Promise<string> {
  if (!existsSync(plan)) await run(["plan", CLX, ICX, "--out", plan]);
  return plan;
}

const modelAt = (at: string) =>
  /^model\t*: (.*)$/m.exec(readFileSync(join(at, "cpuinfo"), "utf8"))?.[1];

async function keep(at: string, node: string, flags: readonly string[]) {
  const place = ["--at", at, "--node", node, "--firecracker-dir", none];
  return run(["host-proc", "--plan", await planned(), ...place, ...flags]);
}

test("two unlike nodes report the same model, and everything else of their own", async () => {
  const directory = temporaryDirectory();
  const ats = [];
  for (const [node, model] of [
    [CLX, 85],
    [ICX, 106],
  ] as const) {
    const [at, proc] = [join(directory, `at-${model}`), madeProc(directory, model)];
    const done = await keep(at, node, ["--proc", proc]);
    expect([done.status, done.stderr]).toEqual([0, expect.stringContaining("no launcher was")]);
    expect(done.stdout).toContain(`HOST_PROC=${at}`);
    expect(readFileSync(join(at, "stat"), "utf8")).toBe(`stat of ${model}\n`);
    expect(readFileSync(join(at, "1/mountinfo"), "utf8")).toBe(`mounts of ${model}\n`);
    expect(readdirSync(at)).not.toContain("77");
    expect(lstatSync(at).mode & 0o777).toBe(0o755);
    ats.push(at);
  }
  const [first = "", second = ""] = ats;
  expect(modelAt(first)).toMatch(/^evenkeel-[0-9a-f]{16}$/);
  expect(modelAt(second)).toBe(modelAt(first));
});

test("what is up to date is left alone; a hot-plugged CPU and another guest CPU are not", async () => {
  const directory = temporaryDirectory();
  const [at, proc] = [join(directory, "at"), madeProc(directory, 106)];
  const flags = ["--proc", proc, "--json"];
  const news = async (...more: string[]) =>
    JSON.parse((await keep(at, ICX, [...flags, ...more])).stdout) as Record<string, unknown>;
  const first = await news();
  expect(first).toMatchObject({ changed: true, node: "xeon-silver-4314", launchers: 0 });
  writeCpus(proc, 106, [0, 1]);
  expect(await news()).toEqual({ ...first, changed: false, before: first["model"] });

  writeCpus(proc, 106, [0, 1, 5]);
  mkdirSync(join(proc, "fs"));
  rmSync(join(proc, "loadavg"));
  expect(await news()).toMatchObject({ changed: true, model: first["model"] });
  expect(readFileSync(join(at, "cpuinfo"), "utf8").match(/^processor\t: 5$/m)).not.toBeNull();
  expect(readdirSync(at)).toContain("fs");
  expect(readdirSync(at)).not.toContain("loadavg");

  const second = await news("--pool", "blue");
  expect(second).toMatchObject({ changed: true, before: first["model"], pool: "blue" });
  expect(modelAt(at)).toBe(second["model"]);
  const { stdout } = await keep(at, ICX, ["--proc", proc]);
  expect(stdout).toContain(`The model was ${String(second["model"])}`);
});

test("a node reports no CPU that its guests do not get", async () => {
  const directory = temporaryDirectory();
  const versions = join(directory, "versions");
  const { path } = installDouble(versions, { version: "1.14.1" });
  const at = join(directory, "at");
  const place = [
    "--at",
    at,
    "--node",
    ICX,
    "--firecracker-dir",
    versions,
    "--plan",
    await planned(),
  ];
  const bare = await run(["host-proc", ...place]);
  expect([bare.status, bare.stderr]).toEqual([1, expect.stringContaining("is not a launcher")]);

  const launcher = ["launcher", "install", "--firecracker", path, "--at", path, "--node", ICX];
  expect((await run([...launcher, "--cpu-template", "T2CL"])).status).toBe(0);
  const other = await run(["host-proc", ...place, "--json"]);
  expect(other.status).toBe(1);
  expect(JSON.parse(other.stdout)).toMatchObject({ error: { code: "LAUNCHERS_DIFFER" } });
  expect(existsSync(at)).toBe(false);

  expect((await run([...launcher, "--plan", plan])).status).toBe(0);
  const done = await run(["host-proc", ...place]);
  expect([done.status, done.stderr]).toEqual([0, ""]);
});

test.each([
  [["--node", "examples/intel-pool/xeon-6-6730p.json"], 1, "has no class that matches"],
  [["--pool", "a b"], 2, "--pool takes letters"],
  [["--proc", "/nowhere"], 3, "/nowhere/cpuinfo: ENOENT"],
  [["--watch", "--interval", "0"], 2, "--interval takes seconds"],
])("%j is refused, and nothing is left behind", async (flags, status, message) => {
  const directory = temporaryDirectory();
  const outcome = await keep(join(directory, "at"), CLX, flags);
  expect(outcome.stderr).toContain(message);
  expect(outcome.status).toBe(status);
  expect(readdirSync(directory)).toEqual([]);
});

test("nothing is overwritten or removed that evenkeel did not make", async () => {
  const directory = temporaryDirectory();
  const at = join(directory, "at");
  mkdirSync(at);
  writeFileSync(join(at, ".evenkeel.json"), '{"schema":"other"}');
  const kept = await keep(at, CLX, []);
  expect([kept.status, kept.stderr]).toEqual([2, expect.stringContaining("not made by evenkeel")]);
  expect((await run(["host-proc", "--undo", "--at", at])).status).toBe(2);
  expect(readdirSync(at)).toEqual([".evenkeel.json"]);
});

test("--undo removes the links and nothing that they lead to", async () => {
  const directory = temporaryDirectory();
  const [at, proc] = [join(directory, "at"), madeProc(directory, 85)];
  expect((await keep(at, CLX, ["--proc", proc])).status).toBe(0);
  const undo = ["host-proc", "--undo", "--at", at];
  expect((await run(undo)).stdout).toBe(`Removed ${at}\n`);
  expect(readdirSync(directory)).toEqual(["proc-85"]);
  expect(readdirSync(join(proc, "1"))).toEqual(["mountinfo"]);
  expect(JSON.parse((await run([...undo, "--json"])).stdout)).toEqual({ at, removed: false });
});

test("--drop-in is a unit's, and shows it another cpuinfo alone", async () => {
  const directory = temporaryDirectory();
  const at = join(directory, "at 100%");
  const { stdout } = await keep(at, CLX, ["--drop-in"]);
  const file = `${directory}/at\\ 100%%/cpuinfo`;
  expect(stdout).toBe(`[Service]\nBindReadOnlyPaths=${file}:/proc/cpuinfo\n`);
  const bind = `mount --bind "$0/cpuinfo" /proc/cpuinfo && cat /proc/cpuinfo && cat /proc/self/comm`;
  const shown = spawnSync("unshare", ["-m", "sh", "-c", bind, at], { encoding: "utf8" });
  if (shown.status !== 0 && process.env["CI"] !== "true") {
    process.stdout.write(`no mount namespace: the drop-in is not tried: ${shown.stderr}\n`);
    return;
  }
  expect(shown.stdout).toContain(`model\t\t: ${modelAt(at)}`);
  expect(shown.stdout).toContain("\ncat\n");
});

interface Line {
  readonly model: string;
  readonly before?: string;
}

/** The command as it runs on a node; its lines as they come. */
function watching(args: readonly string[]) {
  const bin = join(ROOT, "packages/cli/bin/evenkeel.js");
  const child = spawn(process.execPath, [bin, "host-proc", "--watch", ...args], { cwd: ROOT });
  onTestFinished(() => void child.kill("SIGKILL"));
  const told = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => (told.out += String(chunk)));
  child.stderr.on("data", (chunk: Buffer) => (told.err += String(chunk)));
  const lines = () =>
    told.out
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
  return { child, told, lines };
}

test("--watch follows the plan, keeps what a broken one told, and withdraws what is no longer true", async () => {
  const directory = temporaryDirectory();
  const [at, proc] = [join(directory, "at"), madeProc(directory, 106)];
  const mine = join(directory, "plan");
  const other = join(directory, "other");
  cpSync(await planned(), mine, { recursive: true });
  expect((await run(["plan", ICX, "--out", other])).status).toBe(0);
  const flags = ["--plan", mine, "--at", at, "--proc", proc, "--node", ICX];
  const { child, told, lines } = watching([
    ...flags,
    "--firecracker-dir",
    none,
    "--interval",
    "0.1",
  ]);
  const until = async (done: () => boolean) => {
    for (let i = 0; i < 200 && !done(); i += 1) await sleep(50);
    expect({ done: done(), told }).toMatchObject({ done: true });
  };
  const replace = (by: string) => {
    rmSync(mine, { recursive: true });
    cpSync(by, `${mine}.new`, { recursive: true });
    renameSync(`${mine}.new`, mine);
  };
  await until(() => lines().length === 1);
  const [first] = lines();
  replace(other);
  await until(() => lines().length === 2);
  expect(lines()[1]).toMatchObject({ before: first?.model });
  expect(modelAt(at)).toBe(lines()[1]?.model);
  expect(modelAt(at)).not.toBe(first?.model);

  writeFileSync(join(mine, "plan.json"), "{");
  await until(() => told.err !== "");
  expect(modelAt(at)).toBe(lines()[1]?.model);

  expect((await run(["plan", CLX, "--out", `${other}-clx`])).status).toBe(0);
  replace(`${other}-clx`);
  await until(() => !existsSync(join(at, "cpuinfo")));
  expect(told.err).toContain("has no class that matches");

  replace(plan);
  await until(() => existsSync(join(at, "cpuinfo")));
  expect(modelAt(at)).toBe(first?.model);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(existsSync(join(at, "cpuinfo"))).toBe(true);
}, 60_000);
