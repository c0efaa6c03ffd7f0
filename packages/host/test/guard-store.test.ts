/** Contracts by the digest of their state file, for snapshots that are moved file by file. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { launcherStatus } from "../src/index.ts";
import { BACKENDS } from "./firecrackers.ts";
import { CREATE, faultOf, guardedNodes, load } from "./guarded.ts";
import { temporaryDirectory } from "./pool.ts";

function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

describe.each(BACKENDS)("in front of $name", (backend) => {
  const store = mkdtempSync(join(tmpdir(), "evenkeel-contracts-"));
  afterAll(() => rmSync(store, { recursive: true, force: true }));
  const nodes = guardedNodes(backend, store);
  const { iceLaunch, cascadeLaunch, start, boot, snapshotOnIceLake } = nodes;
  const stateAt = (digest: string) => join(store, "states", digest.slice(0, 2), digest);

  /** What an orchestrator puts together on another node, under names of its own. */
  function moved(from: string): string {
    const cwd = temporaryDirectory();
    copyFileSync(join(from, "state"), join(cwd, "snapfile"));
    copyFileSync(join(from, "memory"), join(cwd, "memory"));
    return cwd;
  }

  test("a snapshot that is moved without its contract is judged by it, and leaves nothing beside", async () => {
    const from = await snapshotOnIceLake();
    expect(readdirSync(from)).not.toContain("state.contract.json");
    const cwd = moved(from);
    const ice = await start(iceLaunch, cwd);
    expect((await ice.ask("PUT", "/snapshot/load", load("snapfile"))).status).toBe(204);
    // What is taken there again inherits.
    const again = { ...CREATE, snapshot_path: "again", mem_file_path: "memory2" };
    expect((await ice.ask("PUT", "/snapshot/create", again)).status).toBe(204);
    expect(existsSync(stateAt(digestOf(join(cwd, "again"))))).toBe(true);

    const other = moved(from);
    const lesser = await start(cascadeLaunch, other);
    const { status, body } = await lesser.ask("PUT", "/snapshot/load", load("snapfile"));
    expect([status, faultOf(body)]).toEqual([403, expect.stringContaining("AVX512_VBMI2")]);
  });

  test("snapshots of one template and node share a contract", async () => {
    const contracts = () => readdirSync(join(store, "contracts")).length;
    await snapshotOnIceLake();
    const before = contracts();
    await snapshotOnIceLake();
    expect(contracts()).toBe(before);
    expect(
      readdirSync(store, { recursive: true }).filter((n) => String(n).endsWith(".tmp")),
    ).toEqual([]);
  });

  test("a state file that is not the one, an unknown one and a broken store are refused", async () => {
    const from = await snapshotOnIceLake();
    const cwd = moved(from);
    const file = join(cwd, "snapfile");
    const pointer = stateAt(digestOf(file));
    const vm = await start(iceLaunch, cwd);
    const refusal = async () => {
      const { status, body } = await vm.ask("PUT", "/snapshot/load", load("snapfile"));
      return status === 403 ? faultOf(body) : `${status}`;
    };
    const state = readFileSync(file);
    writeFileSync(file, Buffer.concat([state, Buffer.from([0])]));
    expect(await refusal()).toContain("none stored for its digest");
    writeFileSync(file, state);

    const digest = readFileSync(pointer, "utf8").trim();
    const contract = join(store, "contracts", `${digest}.json`);
    for (const text of ["", "../../x\n", `${"0".repeat(64)}\n`, "0".repeat(1000)]) {
      writeFileSync(pointer, text);
      expect(await refusal()).toContain("no contract: ");
    }
    writeFileSync(pointer, `${digest}\n`);
    const whole = readFileSync(contract, "utf8");
    writeFileSync(contract, whole.replace('"vcpus": 2', '"vcpus": 1'));
    expect(await refusal()).toContain("does not match the contract");
    const other = "f".repeat(64);
    writeFileSync(join(store, "contracts", `${other}.json`), whole);
    writeFileSync(pointer, `${other}\n`);
    expect(await refusal()).toContain("its content does not match its name");
    writeFileSync(pointer, `${digest}\n`);
    rmSync(join(store, "contracts", `${other}.json`));
    rmSync(contract);
    symlinkSync("/etc/hostname", contract);
    expect(await refusal()).toContain("no contract: ");
    rmSync(contract);
    writeFileSync(contract, whole);
    expect(await refusal()).toBe("204");
  });

  test("a contract beside the snapshot comes first, and a broken one is not passed over", async () => {
    const cwd = moved(await snapshotOnIceLake());
    writeFileSync(join(cwd, "snapfile.contract.json"), "{}");
    const vm = await start(iceLaunch, cwd);
    const { status, body } = await vm.ask("PUT", "/snapshot/load", load("snapfile"));
    expect([status, faultOf(body)]).toEqual([
      403,
      expect.stringContaining("snapfile.contract.json"),
    ]);
  });

  test("where contracts cannot be kept, one stands beside the snapshot, and the reason is said", async () => {
    const [aside, cwd] = [`${store}.aside`, temporaryDirectory()];
    const vm = await start(iceLaunch, cwd);
    await boot(vm, cwd);
    renameSync(store, aside);
    writeFileSync(store, "");
    try {
      expect(launcherStatus(iceLaunch).problems).toEqual([]);
      expect((await vm.ask("PUT", "/snapshot/create", CREATE)).status).toBe(204);
      expect(vm.output()).toContain("the contract of state is beside it, but not shared");
      expect(readdirSync(cwd)).toContain("state.contract.json");
      rmSync(store);
      expect(launcherStatus(iceLaunch).problems).toEqual([
        `${store}, the contract directory, is missing`,
      ]);
    } finally {
      rmSync(store, { force: true });
      renameSync(aside, store);
      mkdirSync(store, { recursive: true });
    }
  });
});
