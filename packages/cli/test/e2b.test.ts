/** `evenkeel e2b check` on a made node, with a real process that is called orchestrator. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installDouble } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
import { CLX, ICX, run, sharedDirectory } from "./run.ts";

/**
 * Answers as E2B's orchestrator does: its model is what it found when it started. Field 54 of the
 * answer is the machine, of that 2 the family and 3 the model; 1 and 101 are others that come with it.
 */
const ORCHESTRATOR = `
const { readFileSync } = require("node:fs");
const cpuinfo = readFileSync((process.env.HOST_PROC || "/proc") + "/cpuinfo", "utf8");
const model = /^model\\s*: (.*)$/m.exec(cpuinfo)[1];
const field = (n, bytes) => { const key = (n << 3) | 2;
  return Buffer.concat([Buffer.from(key < 128 ? [key] : [(key & 127) | 128, key >> 7]), Buffer.from([bytes.length]), Buffer.from(bytes)]); };
const message = Buffer.concat([field(1, "node-1"), field(54, Buffer.concat([field(1, "amd64"), field(2, "6"), field(3, model)])), Buffer.from([0xa8, 6, 7])]);
const frame = Buffer.alloc(5); frame.writeUInt32BE(message.length, 1);
const server = require("node:http2").createServer();
server.on("stream", (stream, headers) => {
  if (headers[":path"] !== "/InfoService/ServiceInfo") return stream.respond({ ":status": 404 }, { endStream: true });
  stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": process.env.FAILS ?? "0" }));
  stream.end(Buffer.concat([frame, message]));
});
server.listen(Number(process.env.LISTENS ?? process.env.GRPC_PORT), "127.0.0.1", () => console.log(server.address().port));
`;

const shared = sharedDirectory();

async function orchestrator(env: Readonly<Record<string, string>>): Promise<void> {
  const child = spawn(process.execPath, ["-e", ORCHESTRATOR], {
    argv0: "local/orchestrator",
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  await once(child.stdout, "data");
}

interface Checked {
  readonly ok: boolean;
  readonly findings: readonly { about: string; ok: boolean; text: string; mend?: string }[];
}

const place = (name: string) => join(shared, name);
const [plan, at, versions] = [place("plan"), place("proc"), place("versions")];
const dirs = { FIRECRACKER_VERSIONS_DIR: versions, HOST_KERNELS_DIR: place("kernels") };
let port = 20_000 + (process.pid % 20_000);

async function check(...flags: string[]): Promise<Checked & { readonly status: number | null }> {
  const { status, stdout } = await run(["e2b", "check", "--at", at, "--json", ...flags]);
  return { status, ...(JSON.parse(stdout) as Checked) };
}

const problems = ({ findings }: Checked) => findings.filter(({ ok }) => !ok);

test("a bare node: each thing that is missing, with what mends it, until nothing is", async () => {
  const { path } = installDouble(versions, { version: "1.14.1" });
  expect((await run(["plan", CLX, ICX, "--out", plan])).status).toBe(0);
  const planned = ["--plan", plan, "--node", ICX];
  const here = ["--firecracker-dir", versions, "--kernel-dir", dirs.HOST_KERNELS_DIR];
  const bare = await check(...here, ...planned);
  expect(bare.status).toBe(1);
  expect(problems(bare).map(({ about }) => about)).toEqual([
    "firecracker",
    "kernel",
    "host-proc",
    "orchestrator",
  ]);
  const [launcher, , hostProc] = problems(bare).map(({ mend = "" }) => mend.split(" ").slice(1));
  expect((await run([...(launcher ?? []), "--node", ICX])).status).toBe(0);
  const kernel = place("kernels/vmlinux-6.1.158");
  mkdirSync(kernel, { recursive: true });
  writeFileSync(join(kernel, "vmlinux.bin"), "");
  const keep = [...(hostProc ?? []), "--node", ICX];
  expect((await run(keep)).status).toBe(0);

  await orchestrator({ ...dirs, HOST_PROC: at, GRPC_PORT: String((port += 1)) });
  const done = await check(...planned);
  expect(problems(done)).toEqual([]);
  expect(done.status).toBe(0);
  expect(done.findings.at(-1)?.text).toMatch(
    /^orchestrator \(pid \d+\) reports family 6, model evenkeel-/,
  );
  expect(done.findings[0]?.text).toContain(`${path}: launcher of Firecracker 1.14.1`);
  const { stdout } = await run(["e2b", "check", "--at", at]);
  expect(stdout).toContain("No problems: guests here have the pool's CPU\n");
}, 60_000);

test("an orchestrator that was not told, and one that was told too late", async () => {
  await orchestrator({ ...dirs, GRPC_PORT: String((port += 1)) });
  const untold = await check();
  expect(untold.status).toBe(1);
  expect(problems(untold)).toMatchObject([
    { text: expect.stringContaining("has no HOST_PROC"), mend: expect.stringContaining(at) },
  ]);
  const { stdout } = await run(["e2b", "check", "--at", at]);
  expect(stdout).toMatch(/→ set HOST_PROC = ".*" in Terraform's orchestrator_env_vars/);
});

test("one that started before its node's guest CPU changed reports the old one", async () => {
  await orchestrator({ ...dirs, HOST_PROC: at, GRPC_PORT: String((port += 1)) });
  const keep = ["--plan", plan, "--node", ICX, "--firecracker-dir", versions, "--pool", "blue"];
  expect((await run(["host-proc", "--at", at, ...keep])).status).toBe(0);
  const late = await check("--plan", plan, "--node", ICX, "--pool", "blue");
  expect(problems(late)).toMatchObject([
    { about: "orchestrator", mend: expect.stringContaining("restart the job") },
  ]);
  const other = await check("--plan", plan, "--node", ICX);
  expect(problems(other).map(({ about }) => about)).toEqual(["host-proc", "orchestrator"]);
});

test.each([
  ["it answers with an error", { FAILS: "14" }, "gRPC status 14"],
  ["nobody listens", { LISTENS: "0" }, "ECONNREFUSED"],
])("what it reports is not assumed where %s", async (_, env, words) => {
  await orchestrator({ ...dirs, ...env, HOST_PROC: at, GRPC_PORT: String((port += 1)) });
  const unknown = await check();
  expect(unknown.status).toBe(1);
  expect(problems(unknown)).toMatchObject([{ text: expect.stringContaining(words) }]);
});

test("a launcher of another plan, a Firecracker that does not run, a directory without links", async () => {
  const { path } = installDouble(versions, { version: "1.12.1" });
  const firecracker = join(versions, "1.16.1", "firecracker");
  mkdirSync(join(versions, "1.16.1"));
  writeFileSync(firecracker, "#!/bin/sh\nexit 1\n");
  chmodSync(firecracker, 0o755);
  const install = ["launcher", "install", "--firecracker", path, "--at", path, "--node", ICX];
  expect((await run([...install, "--cpu-template", "T2CL"])).status).toBe(0);
  const found = problems(await check("--firecracker-dir", versions));
  expect(found.map(({ text }) => text)).toEqual([
    expect.stringContaining("has another template: T2CL"),
    expect.stringContaining("is not a launcher"),
    expect.stringContaining("2 different templates"),
    expect.stringContaining("no guest kernel in /fc-kernels"),
    expect.stringContaining("no orchestrator is running on this node"),
  ]);
  writeFileSync(
    join(at, "cpuinfo"),
    readFileSync(join(at, "cpuinfo"), "utf8").replaceAll(/^model\t.*$/gm, ""),
  );
  expect(problems(await check()).map(({ text }) => text)).toContainEqual(
    expect.stringContaining("cpuinfo has no model"),
  );
});

test("a directory that something else made is not judged", async () => {
  const { status, stdout } = await run(["e2b", "check", "--at", shared, "--json"]);
  expect(status).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "HOST_PROC_OCCUPIED" } });
});
