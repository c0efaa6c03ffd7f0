/**
 * The double against the real thing: the same calls, the same answers. Runs where
 * EVENKEEL_FIRECRACKER names a Firecracker of a release that the double passes for.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { installDouble } from "../src/install.ts";

const real = process.env["EVENKEEL_FIRECRACKER"] ?? "";
if (real === "") {
  process.stdout.write("skipped against a real Firecracker: EVENKEEL_FIRECRACKER is not set\n");
}

type Call = readonly [method: string, path: string, body?: string];

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-fidelity-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function versionOf(binary: string): string {
  return /v(\S+)/.exec(execFileSync(binary, ["--version"], { encoding: "utf8" }))?.[1] ?? "";
}

function send(socketPath: string, [method, path, body = ""]: Call): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = body === "" ? {} : { "Content-Length": Buffer.byteLength(body) };
    const outgoing = request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString("utf8");
      });
      const { deprecation = "", server = "" } = response.headers;
      response.on("end", () => {
        resolve([response.statusCode, server, deprecation, text].join(" "));
      });
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** What a fresh process answers to each call, and how it ended if it did. */
async function answersOf(binary: string, cwd: string, calls: readonly Call[]) {
  const socket = join(cwd, "fc.sock");
  rmSync(socket, { force: true });
  const child = spawn(binary, ["--api-sock", socket, "--log-path", "log"], {
    cwd,
    stdio: "ignore",
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await expect.poll(() => existsSync(socket), { timeout: 10_000, interval: 10 }).toBe(true);
  await expect
    .poll(() => send(socket, ["GET", "/"]).catch(() => ""), { interval: 10 })
    .not.toBe("");
  const answers: string[] = [];
  for (const call of calls) answers.push(`${call.join(" ")} → ${await send(socket, call)}`);
  const last = calls.at(-1)?.[1] === "/snapshot/load" ? await ended : undefined;
  child.kill("SIGKILL");
  await ended;
  return { answers, last };
}

const DRIVE =
  '{"drive_id":"rootfs","path_on_host":"file","is_root_device":true,"is_read_only":true}';

const BEFORE_BOOT: readonly Call[] = [
  ["GET", "/"],
  ["GET", "/version"],
  ["GET", "/machine-config"],
  ["GET", "/vm/config"],
  ["GET", "/nowhere"],
  ["GET", "/mmds"],
  ["PUT", "/machine-config", '{"vcpu_count": "x"}'],
  ["PUT", "/machine-config", '{"vcpu_count": 1}'],
  ["PUT", "/machine-config", '{"vcpu_count": 1, "foo": 2}'],
  ["PUT", "/machine-config", '{"vcpu_count": 300, "mem_size_mib": 128}'],
  ["PUT", "/machine-config", '{"vcpu_count": 33, "mem_size_mib": 128}'],
  ["PUT", "/machine-config", '{"vcpu_count": 3, "mem_size_mib": 128, "smt": true}'],
  ["PUT", "/machine-config", '{"vcpu_count": 1, "mem_size_mib": 0}'],
  ["PUT", "/machine-config", '{"vcpu_count": 1, "mem_size_mib": 129, "huge_pages": "2M"}'],
  ["PUT", "/machine-config", '{"vcpu_count": 1, "mem_size_mib": 128, "cpu_template": "T9"}'],
  ["PUT", "/machine-config", '{"vcpu_count": null, "mem_size_mib": 128}'],
  ["PUT", "/machine-config", '{"vcpu_count": 1.5, "mem_size_mib": 128}'],
  ["PUT", "/machine-config", '{"vcpu_count": 1, "mem_size_mib": 128,\n "smt": 1}'],
  ["PUT", "/cpu-config", "{}"],
  ["PUT", "/cpu-config", '{"cpuid_modifiers": []}'],
  ["PUT", "/cpu-config", '{"nonsense": 1}'],
  ["PUT", "/cpu-config", '{"reg_modifiers": []}'],
  ["PUT", "/cpu-config", '{"msr_modifiers": null}'],
  ["GET", "/vm/config"],
  ["PUT", "/machine-config", '{"vcpu_count": 1, "mem_size_mib": 128, "cpu_template": "T2"}'],
  ["GET", "/machine-config"],
  ["PATCH", "/machine-config", '{"cpu_template": "None"}'],
  ["GET", "/machine-config"],
  ["PATCH", "/machine-config", "{}"],
  ["PUT", "/actions", '{"action_type": "InstanceStart"}'],
  ["PUT", "/actions", '{"action_type": "Nonsense"}'],
  ["PUT", "/actions", '{"action_type": "FlushMetrics"}'],
  ["PATCH", "/vm", '{"state": "Paused"}'],
  ["PATCH", "/vm", '{"state": "Nonsense"}'],
  ["PUT", "/vm", "{}"],
  ["PUT", "/snapshot/create", '{"snapshot_path": "a", "mem_file_path": "b"}'],
  ["PUT", "/snapshot/load", '{"snapshot_path": "a"}'],
  ["PUT", "/snapshot/load", '{"snapshot_path": "a", "mem_file_path": "b"}'],
  ["PUT", "/snapshot/nonsense", "{}"],
  ["PUT", "/snapshot", "{}"],
  ["PUT", "/boot-source", '{"kernel_image_path": "/nowhere"}'],
  ["PUT", "/boot-source", '{"kernel_image_path": "file", "initrd_path": "/nowhere"}'],
  ["PUT", "/boot-source", "{}"],
  ["PUT", "/drives/rootfs", DRIVE.replace('"file"', '"/nowhere"')],
  ["PUT", "/drives/other", DRIVE],
  ["PUT", "/drives", "{}"],
  ["PUT", "/drives/a-b", "{}"],
  ["PUT", "/drives/rootfs", DRIVE],
  ["PUT", "/drives/second", DRIVE.replace('"rootfs"', '"second"')],
  ["PUT", "/network-interfaces/eth0", '{"iface_id": "eth1", "host_dev_name": "x"}'],
  ["PATCH", "/drives/rootfs"],
  ["PUT", "/drives/rootfs"],
  ["PUT", "/mmds/nonsense", "{}"],
  ["PUT", "/cpu-config", " ".repeat(51_201)],
  ["PUT", "/boot-source", '{"kernel_image_path": "file"}'],
  ["GET", "/vm/config"],
  ["GET", "/"],
];

/** A state file with a header and nothing that is right behind it. */
function stateFile(magic: bigint, format: string, rest: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeBigUInt64LE(magic);
  head.writeBigUInt64LE(BigInt(format.length), 8);
  return Buffer.concat([head, Buffer.from(format), rest]);
}

const X86_MAGIC = 0x0710_1984_8664_0000n;

const BAD_STATES: readonly (readonly [name: string, bytes: Buffer | undefined])[] = [
  ["no file", undefined],
  ["three bytes", Buffer.from("abc")],
  ["another magic number", stateFile(0x0710_1984_aaaa_0000n, "8.0.0", Buffer.alloc(100))],
  ["another format", stateFile(X86_MAGIC, "99.0.0", Buffer.alloc(100))],
];

describe.skipIf(real === "")("against a real Firecracker", () => {
  function pair() {
    const directory = temporary();
    writeFileSync(join(directory, "file"), Buffer.alloc(4096));
    writeFileSync(join(directory, "log"), "");
    const double = installDouble(join(directory, "double"), { version: versionOf(real) }).path;
    return { directory, double };
  }

  test("all calls before the boot are answered alike", async () => {
    const { directory, double } = pair();
    const theirs = await answersOf(real, directory, BEFORE_BOOT);
    expect(await answersOf(double, directory, BEFORE_BOOT)).toEqual(theirs);
  });

  test.each(BAD_STATES)("a load of %s fails alike and ends the process alike", async (_, bytes) => {
    const { directory, double } = pair();
    if (bytes !== undefined) writeFileSync(join(directory, "state"), bytes);
    const backend = '{"backend_type": "File", "backend_path": "memory"}';
    const body = `{"snapshot_path": "state", "mem_backend": ${backend}}`;
    const calls: Call[] = [["PUT", "/snapshot/load", body]];
    const theirs = await answersOf(real, directory, calls);
    expect(await answersOf(double, directory, calls)).toEqual(theirs);
  });

  test.each([
    ["--version"],
    ["--snapshot-version"],
    ["--nonsense"],
    ["nonsense"],
    ["--api-sock"],
    ["--id", "--x"],
    ["--no-api"],
    ["--api-sock=x"],
    ["--level", "a", "--level", "b"],
  ])("%s %s %s ends alike", (...args) => {
    const { double } = pair();
    const outcome = (binary: string) => {
      const { status, stderr, stdout } = spawnSync(binary, args, { encoding: "utf8" });
      const isLog = (line: string) => /^\S+ \[/.test(line);
      const said = stdout.split("\n").filter((line) => line !== "" && !isLog(line));
      return { status, stderr, said };
    };
    expect(outcome(double)).toEqual(outcome(real));
  });

  test("the double's snapshots are described as the real one's are", () => {
    const { directory, double } = pair();
    const file = join(directory, "state");
    writeFileSync(file, stateFile(X86_MAGIC, "8.0.0", Buffer.alloc(8)));
    const describeBy = (binary: string) =>
      execFileSync(binary, ["--describe-snapshot", file], { encoding: "utf8" }).includes("v8.0.0");
    expect([describeBy(double), describeBy(real)]).toEqual([true, true]);
    expect(readFileSync(file).length).toBeGreaterThan(0);
  });
});
