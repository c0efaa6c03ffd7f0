/** What is packed, made once for all tests, and run as a user runs it: with no checkout near. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { get as getSecurely } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { expect, onTestFinished } from "vitest";
import { buildInfo } from "../build-info.ts";
import { ROOT } from "../own-files.ts";

const ICX = join(ROOT, "examples/bug-report-pool", "xeon-silver-4314.json");

/** Outside of the repository, so that nothing is found there by chance. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-packed-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A way to start the command: `["/usr/bin/node", ".../evenkeel.js"]`, `["/usr/bin/evenkeel"]`. */
export type Command = readonly string[];

/** Little of this process's environment: neither npm's nor vitest's variables. */
function environment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: home, NO_COLOR: "1", LANG: "C.UTF-8" };
}

export function run([program = "", ...first]: Command, args: readonly string[], cwd: string) {
  const options = { cwd, env: environment(cwd), encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(program, [...first, ...args], options);
  return { status, stdout, stderr };
}

function ask(socketPath: string, path: string): Promise<string> {
  return new Promise((settle, reject) => {
    request({ socketPath, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => settle(text));
    })
      .once("error", reject)
      .end();
  });
}

function start([program = "", ...first]: Command, args: readonly string[], cwd: string) {
  const child = spawn(program, [...first, ...args], {
    cwd,
    env: environment(cwd),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => (said += text.toString()));
  }
  const ended = new Promise<number | null>((settle) => child.once("close", settle));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, ended, said: () => said };
}

/** The shell commands of docs/agent.md that call the API. */
function documented(socket: string): string {
  const text = readFileSync(join(ROOT, "docs/agent.md"), "utf8");
  const block = /```sh\n(agent\(\) [\s\S]*?)```/.exec(text)?.[1] ?? "";
  return block.replaceAll("/run/evenkeel/agent.sock", socket);
}

/** An agent on doubles does what its page shows: among it a pause, whose memory a thread hashes. */
export async function agentRuns(command: Command): Promise<number | null> {
  const directory = scratch();
  const at = (name: string) => join(directory, name);
  installDouble(at("fc"), { version: "1.14.1", console: ["Debian login:"] });
  mkdirSync(at("kernels/6.1"), { recursive: true });
  writeFileSync(at("kernels/6.1/vmlinux.bin"), "");
  mkdirSync(at("images"));
  writeFileSync(at("images/rootfs"), "");
  const socket = at("agent.sock");
  const places = ["--versions-dir", at("fc"), "--kernels-dir", at("kernels")];
  const data = ["--images-dir", at("images"), "--data-dir", at("data"), "--listen", socket];
  const profile = ["--profile", ICX, "--foreign-profile", "--isolation", "none"];
  const agent = start(command, ["agent", ...profile, ...places, ...data], directory);
  await expect
    .poll(() => ask(socket, "/v1/health").catch(agent.said), { timeout: 30_000 })
    .toContain('"status":"ok"');
  const shell = spawnSync("bash", ["-euc", documented(socket)], {
    env: environment(directory),
    encoding: "utf8",
    // bash takes a socket there for a remote shell.
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect(shell).toMatchObject({ status: 0, stderr: "" });
  expect(shell.stdout).toContain('"sandboxes":[{"id":"one","state":"running"');
  agent.child.kill("SIGTERM");
  return agent.ended;
}

function askSecurely(url: string): Promise<string> {
  return new Promise((settle, reject) => {
    getSecurely(url, { rejectUnauthorized: false, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => settle(text));
    }).once("error", reject);
  });
}

/** The fleet service on a store of its own, or on a database; what its health is. */
export async function serverAnswers(command: Command, ...options: string[]): Promise<string> {
  const directory = scratch();
  const data = ["--data-dir", join(directory, "data"), "--listen", "127.0.0.1:0"];
  const server = start(command, ["serve", ...data, ...options], directory);
  const where = () => /listens on (https:\/\/\S+)/.exec(server.said())?.[1] ?? server.said();
  await expect.poll(where, { timeout: 60_000 }).toMatch(/^https:/);
  const health = await askSecurely(`${where()}/v1/health`);
  server.child.kill("SIGTERM");
  expect(await server.ended).toBe(0);
  return health;
}

/** The shell commands on the first screen of a page, which are its first block. */
export function firstScreen(page: string): string {
  const text = readFileSync(join(ROOT, page), "utf8");
  const [, commands = ""] = /^```sh\n(.*?)^```$/ms.exec(text) ?? [];
  return commands;
}

/** A launcher with a guard, started as an orchestrator starts Firecracker. */
export async function guardAnswers(command: Command): Promise<string> {
  const directory = scratch();
  const firecracker = installDouble(join(directory, "fc"), { version: "1.14.1" }).path;
  const at = join(directory, "launcher");
  const place = ["--firecracker", firecracker, "--at", at, "--node", ICX];
  const install = ["launcher", "install", ...place, "--cpu-template", "T2CL", "--guard"];
  expect(run(command, install, directory)).toMatchObject({ status: 0 });
  const status = run(command, ["launcher", "status", "--at", at, "--json"], directory);
  expect(JSON.parse(status.stdout)).toMatchObject({ problems: [] });
  const socket = join(directory, "api.sock");
  const launched = start([at], ["--api-sock", socket], directory);
  const answer = () => ask(socket, "/version").catch(launched.said);
  await expect.poll(answer, { timeout: 30_000 }).toContain("firecracker_version");
  return answer();
}

/** What every way to have evenkeel must do; `cwd` is an empty directory. What `plan` printed. */
export function commandsWork(command: Command, cwd: string): string {
  const { version, commit } = buildInfo();
  expect(run(command, ["--version"], cwd).stdout).toContain(
    `evenkeel ${version} (commit ${commit}, `,
  );
  const plan = run(command, ["plan", "--example", "--out", "plan"], cwd);
  expect(plan).toMatchObject({ status: 0, stderr: "" });
  expect(run(command, ["lint", "plan", "--node", ICX], cwd).status).toBe(0);
  // Above what is scanned without a thread of its own.
  const scan = run(command, ["scan", process.execPath, "--plan", "plan"], cwd);
  expect(scan.stderr).toBe("");
  expect(scan.stdout).toContain("MiB of machine code");
  expect(run(command, ["explain", "--bytes", "62f27d4863c1"], cwd).stdout).toContain("AVX512");
  expect(run(command, ["lab", "--nodes", "Nehalem"], cwd).status).toBe(2);
  const report = run(command, ["report", "--example", "--out", "report.html"], cwd);
  expect(report).toMatchObject({ status: 0, stderr: "" });
  expect(readFileSync(join(cwd, "report.html"), "utf8")).toContain("color-scheme: light dark");
  return plan.stdout;
}
