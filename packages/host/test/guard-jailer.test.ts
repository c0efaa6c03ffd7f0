/**
 * The launcher with a guard in a jailer's place. Set EVENKEEL_FIRECRACKER to a binary with its jailer
 * beside it, under the names `firecracker` and `jailer`.
 */
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parseTemplate, type NodeProfile } from "@evenkeel/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { endAllOf } from "../src/isolation/processes.ts";
import { contractIn, CREATE, faultOf, load } from "./guarded.ts";
import { args, boot, installed, rootOf, USER, WHY } from "./jailed.ts";
import { appears, call, leftovers, processesOf, run } from "./launched.ts";
import { cascadeLake, iceLake, temporaryDirectory } from "./pool.ts";

const STATE_FILES = ["state", "memory", "state.contract.json"];

async function guarded(guard: NodeProfile) {
  const template = parseTemplate({});
  const choose = () => ({ template, source: "a test", names: { name: "no change" } });
  const { directory, jailer } = await installed({ choose, guard });

  /** Starts one in a jail that has a directory of its own, as orchestrators give it one. */
  async function start(id: string, own: readonly string[] = []) {
    const root = rootOf(directory, id);
    const shared = join(root, "snap");
    mkdirSync(shared, { recursive: true });
    for (const path of [root, shared]) chownSync(path, USER, USER);
    const running = run(jailer, args(directory, own, ["--", "--api-sock", "api.sock"], id));
    onTestFinished(async () => void (await endAllOf(USER)));
    const socket = join(root, "api.sock");
    await appears(socket);
    const ask = (method: string, path: string, body?: object) => call(socket, method, path, body);
    return { ...running, root, socket, ask };
  }
  type Started = Awaited<ReturnType<typeof start>>;

  async function snapshot({ ask, root, socket }: Started, at = "snap/") {
    expect((await boot(root, socket)).status).toBe(204);
    expect((await ask("PATCH", "/vm", { state: "Paused" })).status).toBe(204);
    return take({ ask }, at);
  }
  return { directory, start, snapshot };
}

function take(
  { ask }: { ask: (method: string, path: string, body: object) => unknown },
  at: string,
) {
  const paths = { snapshot_path: `${at}state`, mem_file_path: `${at}memory` };
  return ask("PUT", "/snapshot/create", { ...CREATE, ...paths }) as ReturnType<typeof call>;
}

const LOAD = {
  ...load("/snap/state"),
  mem_backend: { backend_type: "File", backend_path: "snap/memory" },
};

/** Carries a snapshot from one jail to another, as an orchestrator does. */
function carry(from: string, to: string, names = STATE_FILES): void {
  for (const name of names) {
    copyFileSync(join(from, "snap", name), join(to, "snap", name));
    chownSync(join(to, "snap", name), USER, USER);
  }
}

describe.skipIf(WHY !== undefined)("a guard behind a jailer", () => {
  test.each([
    ["as it is", []],
    ["in a new PID namespace", ["--new-pid-ns"]],
    ["as a daemon", ["--daemonize"]],
    ["as a daemon in a new PID namespace", ["--daemonize", "--new-pid-ns"]],
  ])("%s keeps contracts in the jail, goes by them, and ends with it", async (_, own) => {
    const { start, snapshot } = await guarded(iceLake);
    const first = await start("first", own);
    expect(statSync(first.socket).uid).toBe(USER);
    await expect.poll(() => leftovers(dirname(first.socket))).toEqual([]);
    expect(await snapshot(first)).toEqual({ status: 204, body: "" });
    expect(readdirSync(join(first.root, "snap")).toSorted()).toEqual(STATE_FILES.toSorted());
    expect(contractIn(join(first.root, "snap"))).toMatchObject({ node: iceLake.name, vcpus: 1 });

    const second = await start("second", own);
    carry(first.root, second.root, ["state", "memory"]);
    const without = await second.ask("PUT", "/snapshot/load", LOAD);
    expect([without.status, faultOf(without.body)]).toEqual([
      403,
      expect.stringContaining("no contract: /snap/state.contract.json: no such file"),
    ]);
    carry(first.root, second.root);
    expect(await second.ask("PUT", "/snapshot/load", LOAD)).toEqual({ status: 204, body: "" });

    await endAllOf(USER);
    const guards = () => processesOf(first.socket).concat(processesOf(second.socket));
    await expect.poll(guards, { timeout: 10_000 }).toEqual([]);
  });

  test("refuses what the node lacks", async () => {
    const ice = await guarded(iceLake);
    const first = await ice.start("first");
    await ice.snapshot(first);
    const cascade = await guarded(cascadeLake);
    const second = await cascade.start("second");
    carry(first.root, second.root);
    const { status, body } = await second.ask("PUT", "/snapshot/load", LOAD);
    expect([status, faultOf(body)]).toEqual([403, expect.stringContaining("AVX512_VBMI2")]);
  });

  test("follows no link that a Firecracker taken over has planted, and writes nothing outside", async () => {
    const { start, snapshot } = await guarded(iceLake);
    const vm = await start("first");
    const outside = temporaryDirectory();
    const plant = (to: string) => {
      rmSync(join(vm.root, "planted"), { recursive: true, force: true });
      symlinkSync(to, join(vm.root, "planted"));
    };
    plant(outside);
    const refused = await snapshot(vm, "planted/");
    expect([refused.status, faultOf(refused.body)]).toEqual([
      403,
      expect.stringContaining('"planted" is not a directory, or a link to one'),
    ]);
    for (const at of ["/../../", "snap/../planted/", "planted/x/"]) {
      expect([at, (await take(vm, at)).status]).toEqual([at, 403]);
    }
    expect(readdirSync(outside)).toEqual([]);

    // A contract's own name as a link out: replaced, not written through.
    writeFileSync(join(outside, "victim"), "untouched");
    symlinkSync(join(outside, "victim"), join(vm.root, "snap/state.contract.json"));
    expect((await take(vm, "snap/")).status).toBe(204);
    expect(statSync(join(outside, "victim")).size).toBe("untouched".length);
    expect(contractIn(join(vm.root, "snap")).node).toBe(iceLake.name);

    // And read through as little.
    renameSync(join(vm.root, "snap/state.contract.json"), join(outside, "contract"));
    symlinkSync(join(outside, "contract"), join(vm.root, "snap/state.contract.json"));
    const { status, body } = await vm.ask("PUT", "/snapshot/load", LOAD);
    expect([status, faultOf(body)]).toEqual([403, expect.stringContaining("a symbolic link")]);
    expect(existsSync(join(outside, "contract"))).toBe(true);
  });
});
