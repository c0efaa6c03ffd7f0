/** `evenkeel agent` as an operator starts it. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
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
  return ["--profile", ICX, "--log-level", "warn", ...places, ...data];
}

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
