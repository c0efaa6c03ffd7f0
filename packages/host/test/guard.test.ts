/** The guard on the launcher's socket, in front of the double and of a real Firecracker alike. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { writeTinyKernel } from "@evenkeel/firecracker-double";
import { describe, expect, test } from "vitest";
import { launcherStatus } from "../src/index.ts";
import { BACKENDS } from "./firecrackers.ts";
import { contractIn, CREATE, faultOf, guardedNodes, load } from "./guarded.ts";
import { appears, call, leftovers, processesOf, run } from "./launched.ts";
import { cascadeLake, ICE_LAKE_FILE, iceLake, temporaryDirectory } from "./pool.ts";

function contents(directory: string): string[] {
  return readdirSync(directory).toSorted();
}

describe.each(BACKENDS)("in front of $name", (backend) => {
  const { version } = backend;
  const { iceLaunch, cascadeLaunch, start, boot, snapshotOnIceLake } = guardedNodes(backend);

  test("a snapshot gets the contract of the guest that was booted, beside its state", async () => {
    const cwd = await snapshotOnIceLake();
    expect(contractIn(cwd)).toMatchObject({
      node: iceLake.name,
      vcpus: 2,
      smt: false,
      firecracker: version,
      template: "no change",
      made: "predicted",
      incomplete: [],
    });
    expect(contents(cwd).filter((name) => name.startsWith("state"))).toEqual([
      "state",
      "state.contract.json",
    ]);
  });

  test("a template that the orchestrator sets itself is in the contract", async () => {
    const cwd = temporaryDirectory();
    const vm = await start(iceLaunch, cwd);
    const register = { register: "ebx", bitmap: "0bxxxxxxxxxxxxxxxxxxxxxxxxxx0xxxxx" };
    const leaf = { leaf: "0x7", subleaf: "0x0", flags: 1, modifiers: [register] };
    const { status } = await vm.ask("PUT", "/cpu-config", { cpuid_modifiers: [leaf] });
    expect(status).toBe(204);
    await boot(vm, cwd);
    await vm.ask("PUT", "/snapshot/create", CREATE);
    const contract = contractIn(cwd);
    const seven = contract.cpuid.find((entry) => entry.leaf === 7 && entry.subleaf === 0);
    expect([contract.template, ((seven?.ebx ?? 0) >>> 5) & 1]).toEqual(["PUT /cpu-config", 0]);
  });

  test("a snapshot resumes on its node, and what is taken there again inherits", async () => {
    const cwd = await snapshotOnIceLake();
    const vm = await start(iceLaunch, cwd);
    expect(await vm.ask("PUT", "/snapshot/load", load())).toEqual({ status: 204, body: "" });
    const again = { ...CREATE, snapshot_path: join(cwd, "again") };
    expect((await vm.ask("PUT", "/snapshot/create", again)).status).toBe(204);
    expect(contractIn(cwd, "again").cpuid).toEqual(contractIn(cwd).cpuid);
    expect(vm.output()).not.toContain("evenkeel guard");
  });

  test("what the node lacks is refused by name, and Firecracker never sees it", async () => {
    const cwd = await snapshotOnIceLake();
    const vm = await start(cascadeLaunch, cwd);
    const { status, body } = await vm.ask("PUT", "/snapshot/load", load());
    expect(status).toBe(403);
    expect(faultOf(body)).toContain(`state on ${cascadeLake.name}: incompatible: `);
    expect(faultOf(body)).toContain("AVX512_VBMI2");
    expect(vm.output()).toContain("evenkeel guard: refused to load state");
    // A Firecracker that was asked to load would boot nothing any more.
    await boot(vm, cwd);
  });

  test("a snapshot without a contract, or with a broken one, is refused", async () => {
    const cwd = await snapshotOnIceLake();
    const vm = await start(iceLaunch, cwd);
    const file = join(cwd, "state.contract.json");
    const whole = readFileSync(file, "utf8");
    for (const text of [undefined, "", whole.slice(0, 500), readFileSync(ICE_LAKE_FILE, "utf8")]) {
      rmSync(file, { force: true });
      if (text !== undefined) writeFileSync(file, text);
      const { status, body } = await vm.ask("PUT", "/snapshot/load", load());
      expect([status, faultOf(body)]).toEqual([403, expect.stringContaining("no contract")]);
    }
  });

  test.each([
    ["missing,incompatible", 204],
    ["unknown,insecure", 403],
  ])("EVENKEEL_GUARD_ALLOW=%s lets in what it names, and says so", async (allow, expected) => {
    const cwd = await snapshotOnIceLake();
    const vm = await start(cascadeLaunch, cwd, allow);
    expect((await vm.ask("PUT", "/snapshot/load", load())).status).toBe(expected);
    const said = "because of EVENKEEL_GUARD_ALLOW: incompatible: ";
    await expect.poll(vm.output).toContain(expected === 204 ? said : "refused to load");
  });

  test("what was loaded without a contract gets none, and an older one does not stay", async () => {
    const cwd = await snapshotOnIceLake();
    const other = await snapshotOnIceLake();
    rmSync(join(cwd, "state.contract.json"));
    const vm = await start(iceLaunch, cwd, "missing");
    expect((await vm.ask("PUT", "/snapshot/load", load())).status).toBe(204);
    const over = { ...CREATE, snapshot_path: join(other, "state") };
    expect((await vm.ask("PUT", "/snapshot/create", over)).status).toBe(204);
    expect(contents(other).filter((name) => name.includes("contract"))).toEqual([]);
    expect(vm.output()).toContain("has no contract, so a guarded load will be refused");
  });

  test("a snapshot that fails leaves the older one its contract", async () => {
    const cwd = await snapshotOnIceLake();
    const before = readFileSync(join(cwd, "state.contract.json"), "utf8");
    const vm = await start(iceLaunch, cwd);
    const { status, body } = await vm.ask("PUT", "/snapshot/create", CREATE);
    expect([status, faultOf(body)]).toEqual([400, expect.stringContaining("not supported")]);
    expect(readFileSync(join(cwd, "state.contract.json"), "utf8")).toBe(before);
    expect(contents(cwd).filter((name) => name.includes("contract"))).toHaveLength(1);
  });

  test("all other calls and answers are as Firecracker's own", async () => {
    const cwd = temporaryDirectory();
    const bare = join(cwd, "bare.sock");
    const { real } = launcherStatus(iceLaunch).record;
    run(real, ["--api-sock", bare], cwd);
    await appears(bare);
    const vm = await start(iceLaunch, cwd);
    const calls: readonly (readonly [string, string, (object | string)?])[] = [
      ["GET", "/"],
      ["GET", "/version"],
      ["GET", "/machine-config"],
      ["GET", "/nowhere"],
      ["PUT", "/machine-config", { vcpu_count: 99, mem_size_mib: 16 }],
      ["PUT", "/machine-config", "no json"],
      ["PUT", "/machine-config"],
      ["PATCH", "/machine-config", { vcpu_count: 2 }],
      ["PATCH", "/vm", { state: "Paused" }],
      ["PUT", "/cpu-config", { nonsense: 1 }],
      ["PUT", "/boot-source", { kernel_image_path: "x".repeat(51_000) }],
      ["PUT", "/boot-source", { kernel_image_path: "x".repeat(60_000) }],
      ["GET", "/version"],
    ];
    for (const [method, path, body] of calls) {
      const expected = await call(bare, method, path, body);
      const words = method + path + JSON.stringify(body ?? "").slice(0, 40);
      expect([words, await vm.ask(method, path, body)]).toEqual([words, expected]);
    }
  });

  test("one kept connection, and many at once", async () => {
    const cwd = temporaryDirectory();
    const { socket, ask } = await start(iceLaunch, cwd);
    const answers = Array.from({ length: 30 }, () => ask("GET", "/version"));
    for (const { body } of await Promise.all(answers)) expect(body).toContain(version);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<unknown>();
    for (let i = 0; i < 5; i++) {
      await new Promise<void>((resolve, reject) => {
        const outgoing = request({ socketPath: socket, path: "/", agent }, (response) => {
          ports.add(response.socket);
          response.resume().once("end", resolve);
        });
        outgoing.once("error", reject).end();
      });
    }
    agent.destroy();
    expect(ports.size).toBe(1);
  });

  test("the process is Firecracker, and the guard ends with it", async () => {
    const cwd = temporaryDirectory();
    const { child, exit, guard } = await start(iceLaunch, cwd);
    expect(guard).toHaveLength(1);
    expect(leftovers(cwd)).toEqual([]);
    child.kill("SIGTERM");
    expect(await exit).toEqual({ code: null, signal: "SIGTERM" });
    await expect.poll(() => processesOf(cwd)).toEqual([]);
  });

  test("a guard that is killed takes the API with it", async () => {
    const cwd = temporaryDirectory();
    const { child, guard, ask } = await start(iceLaunch, cwd);
    for (const pid of guard) process.kill(pid, "SIGKILL");
    await expect.poll(() => processesOf(cwd)).toEqual([child.pid]);
    await expect(ask("GET", "/")).rejects.toThrow(/ECONN/);
    expect(leftovers(cwd)).toEqual([]);
  });

  test("a signal to the guard alone changes nothing", async () => {
    const { guard, ask } = await start(iceLaunch, temporaryDirectory());
    for (const pid of guard) process.kill(pid, "SIGTERM");
    expect((await ask("GET", "/")).status).toBe(200);
  });

  test("a microVM of a configuration file is guarded as well", async () => {
    const cwd = temporaryDirectory();
    writeTinyKernel(join(cwd, "kernel"));
    const config = {
      "boot-source": { kernel_image_path: "kernel" },
      "machine-config": { vcpu_count: 1, mem_size_mib: 16 },
      drives: [],
    };
    writeFileSync(join(cwd, "config.json"), JSON.stringify(config));
    const vm = await start(iceLaunch, cwd, undefined, ["--config-file", "config.json"]);
    await expect.poll(async () => (await vm.ask("GET", "/")).body).toContain("Running");
    await vm.ask("PATCH", "/vm", { state: "Paused" });
    expect((await vm.ask("PUT", "/snapshot/create", CREATE)).status).toBe(204);
    expect(contractIn(cwd)).toMatchObject({ vcpus: 1, template: "no change" });
  });

  test("a guard that cannot start ends the microVM: no socket, the reason on stderr", async () => {
    const cwd = temporaryDirectory();
    const socket = join(cwd, "fc.sock");
    const env = { EVENKEEL_GUARD_ALLOW: "everything" };
    const { exit, output } = run(iceLaunch, ["--api-sock", socket], cwd, env);
    expect(await exit).toEqual({ code: null, signal: "SIGKILL" });
    expect(output()).toContain(
      'EVENKEEL_GUARD_ALLOW: "everything" is not one of unknown, insecure',
    );
    expect(existsSync(socket)).toBe(false);
    await expect.poll(() => contents(cwd)).toEqual([]);
  });

  test("a machine that has changed since the installation loads and promises nothing", async () => {
    const cwd = await snapshotOnIceLake();
    const changed = join(cwd, "launcher");
    const text = readFileSync(iceLaunch, "utf8");
    writeFileSync(changed, text.replace('"machine":"kernel ', '"machine":"kernel 1'));
    chmodSync(changed, 0o755);
    const vm = await start(changed, cwd);
    const { status, body } = await vm.ask("PUT", "/snapshot/load", load());
    expect([status, faultOf(body)]).toEqual([403, expect.stringContaining("unknown: ")]);
    await boot(vm, cwd);
    await vm.ask("PUT", "/snapshot/create", CREATE);
    expect(contractIn(cwd).incomplete.join()).toContain("when the launcher was installed");
    expect(launcherStatus(changed).problems.join()).toContain("out of date");
  });

  test("what starts no microVM has no guard", () => {
    const cwd = temporaryDirectory();
    mkdirSync(join(cwd, "x"));
    const { stdout } = spawnSync(iceLaunch, ["--version"], { encoding: "utf8" });
    expect(stdout).toContain(`Firecracker v${version}`);
  });
});
