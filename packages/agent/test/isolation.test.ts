/**
 * The agent as it is started, with jails: set EVENKEEL_FIRECRACKER to `<versions>/<version>/firecracker`
 * that has its jailer beside it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeTinyKernel } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
import { tagOf } from "../../host/src/isolation/names.ts";
import { endAllOf, usersFrom } from "../../host/src/isolation/processes.ts";
import { ICE_LAKE, makeImages, ROOT } from "./fixtures.ts";

const BINARY = process.env["EVENKEEL_FIRECRACKER"] ?? "";
const FIRST = 0x7500_0000;

function missing(): string | undefined {
  if (BINARY === "") return "EVENKEEL_FIRECRACKER is not set";
  if (!existsSync(join(dirname(BINARY), "jailer"))) return `there is no jailer beside ${BINARY}`;
  return process.getuid?.() === 0 ? undefined : "the jailer needs root";
}

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are looked into by tests
type Answer = { readonly status: number; readonly body: any };

function ask(socketPath: string, method: string, path: string, body?: object): Promise<Answer> {
  return new Promise((settle, reject) => {
    const headers = { "content-type": "application/json" };
    const sent = request({ socketPath, method, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => {
        const parsed: unknown = text === "" ? undefined : JSON.parse(text);
        settle({ status: response.statusCode ?? 0, body: parsed });
      });
    });
    sent.once("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** `evenkeel agent` in a process of its own. */
function startAgent(directory: string) {
  const { kernelsDir, imagesDir } = makeImages(directory);
  writeTinyKernel(join(kernelsDir, "6.1/vmlinux.bin"));
  const socket = join(directory, "a.sock");
  const flags = {
    "--data-dir": join(directory, "d"),
    "--listen": socket,
    "--profile": ICE_LAKE,
    "--versions-dir": dirname(dirname(BINARY)),
    "--firecracker": basename(dirname(BINARY)),
    "--kernels-dir": kernelsDir,
    "--images-dir": imagesDir,
    "--first-user": String(FIRST),
    "--slots-ahead": "2",
  };
  const program = join(ROOT, "packages/cli/bin/evenkeel.js");
  const args = [program, "agent", "--foreign-profile", ...Object.entries(flags).flat()];
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const words: string[] = [];
  child.stderr?.on("data", (chunk: Buffer) => words.push(chunk.toString()));
  const end = (signal: NodeJS.Signals) =>
    new Promise<void>((settle) => {
      child.once("exit", () => settle());
      child.kill(signal);
    });
  const up = async () => {
    const isUp = () => ask(socket, "GET", "/v1/health").catch(() => undefined);
    while ((await isUp())?.status !== 200) {
      if (child.exitCode !== null) throw new Error(words.join(""));
      await sleep(50);
    }
  };
  const call = (method: string, path: string, body?: object) => ask(socket, method, path, body);
  return { up, end, call, words, data: join(directory, "d") };
}

const DISKS = [
  { id: "rootfs", image: "rootfs", root: true },
  { id: "tools", image: "tools", readOnly: true },
];
const TEMPLATE = {
  name: "base",
  machine: { kernel: "6.1", memoryMib: 16, disks: DISKS },
  readiness: { kind: "delay", milliseconds: 200 },
};

test("an agent that is killed finds its jailed sandboxes again, and leaves nothing of the rest", async ({
  skip,
}) => {
  const why = missing();
  if (why !== undefined) skip(why);
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "ek-")));
  const tag = tagOf(join(directory, "d"));
  mkdirSync(join(directory, "d"), { mode: 0o700 });
  onTestFinished(async () => {
    await endAllOf(...usersFrom(FIRST, 1000).map(({ uid }) => uid));
    rmSync(directory, { recursive: true, force: true });
  });
  const one = startAgent(directory);
  await one.up();
  expect(one.words.join("")).toContain("isolation: the jailer");
  expect((await one.call("POST", "/v1/templates", TEMPLATE)).status).toBe(201);
  for (const id of ["a", "b"]) {
    const created = await one.call("POST", "/v1/sandboxes", { id, from: "base" });
    expect([created.status, created.body.state]).toEqual([201, "running"]);
  }
  const shared = statSync(join(one.data, "vms/a/disks/tools"));
  expect([shared.uid, shared.mode & 0o777]).toEqual([0, 0o444]);
  expect(statSync(join(one.data, "vms/a/disks/rootfs")).uid).toBeGreaterThanOrEqual(FIRST);
  const paused = await one.call("POST", "/v1/sandboxes/a/pause");
  expect([paused.status, paused.body.state]).toEqual([200, "paused"]);
  expect((await one.call("POST", "/v1/sandboxes/a/resume")).body.state).toBe("running");
  const { pid } = (await one.call("GET", "/v1/sandboxes/b")).body;
  // Two sandboxes, two slots that wait.
  const users = () => usersFrom(FIRST, 1000).length;
  await expect.poll(users, { timeout: 30_000 }).toBe(4);
  await one.end("SIGKILL");

  const two = startAgent(directory);
  await two.up();
  expect((await two.call("GET", "/v1/sandboxes/b")).body).toMatchObject({ pid, state: "running" });
  expect((await two.call("POST", "/v1/sandboxes/b/pause")).status).toBe(200);
  expect((await two.call("POST", "/v1/sandboxes/b/resume")).body.state).toBe("running");
  // A VMM that dies by itself takes its slot with it.
  process.kill((await two.call("GET", "/v1/sandboxes/b")).body.pid, "SIGKILL");
  const stateOfB = async () => (await two.call("GET", "/v1/sandboxes/b")).body.state;
  await expect.poll(stateOfB, { timeout: 30_000 }).toBe("failed");
  for (const id of ["a", "b"])
    expect((await two.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
  await two.end("SIGTERM");
  expect(usersFrom(FIRST, 1000)).toEqual([]);
  expect(readdirSync(join(two.data, "jails/firecracker"))).toEqual([]);
  expect(readdirSync("/run/netns").filter((name) => name.startsWith(`ek${tag}-`))).toEqual([]);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain(`ek${tag}-`);
}, 180_000);
