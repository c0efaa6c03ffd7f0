/**
 * The driver's contract, kept by the double and by a real Firecracker alike: set
 * EVENKEEL_FIRECRACKER to a binary to run the same tests against it.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  createFirecrackerDriver,
  type BootSpec,
  type MicroVm,
  type VmmDriver,
} from "../src/index.ts";
import { BACKENDS } from "./firecrackers.ts";
import { temporaryDirectory } from "./pool.ts";
import { GREETING, writeTinyKernel } from "./tiny-kernel.ts";

function killedAtEnd(vm: MicroVm): MicroVm {
  onTestFinished(() => vm.kill());
  return vm;
}

function subdirectory(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path);
  return path;
}

function specIn(parent: string, name = "vm"): BootSpec {
  const directory = subdirectory(parent, name);
  const kernel = join(parent, "kernel");
  if (!existsSync(kernel)) writeTinyKernel(kernel);
  return {
    directory,
    kernel,
    drives: [],
    bootArgs: "console=ttyS0",
    vcpus: 1,
    smt: false,
    memoryMib: 16,
    cpu: { kind: "none" },
  };
}

function consoleOf(vm: MicroVm): string {
  return readFileSync(vm.console, "utf8");
}

describe.each(BACKENDS)("with $name", ({ binary, version }) => {
  function driverIn(directory: string): VmmDriver {
    return createFirecrackerDriver({ binary: binary(directory, { console: [GREETING] }), version });
  }

  test("a guest boots, and its console is a file", async () => {
    const directory = temporaryDirectory();
    const vm = killedAtEnd(await driverIn(directory).boot(specIn(directory)));
    await expect.poll(() => consoleOf(vm), { timeout: 10_000 }).toContain(GREETING);
  });

  test("a snapshot of a paused guest loads in another directory and runs on", async () => {
    const directory = temporaryDirectory();
    const driver = driverIn(directory);
    const spec = specIn(directory);
    const drive = join(spec.directory, "rootfs.ext4");
    writeFileSync(drive, Buffer.alloc(4096));
    const drives = [{ id: "rootfs", path: drive, root: true, readOnly: false }];
    const vm = killedAtEnd(await driver.boot({ ...spec, drives }));
    await vm.pause();
    const snapshot = { state: join(directory, "state"), memory: join(directory, "memory") };
    await vm.snapshot(snapshot, "full");
    await vm.kill();
    rmSync(drive);

    const elsewhere = subdirectory(directory, "elsewhere");
    writeFileSync(join(elsewhere, "rootfs.ext4"), Buffer.alloc(4096));
    const loaded = killedAtEnd(
      await driver.load({ directory: elsewhere, snapshot, memory: { kind: "file" } }),
    );
    await loaded.resume();
    await loaded.pause();
    await loaded.snapshot({ ...snapshot, state: join(directory, "again") }, "full");
    expect(existsSync(join(directory, "again"))).toBe(true);
  });

  test("diff snapshots are taken where dirty pages are tracked", async () => {
    const directory = temporaryDirectory();
    const vm = killedAtEnd(
      await driverIn(directory).boot({ ...specIn(directory), trackDirtyPages: true }),
    );
    await vm.pause();
    const files = { state: join(directory, "state"), memory: join(directory, "memory") };
    await vm.snapshot(files, "diff");
    expect(existsSync(files.memory)).toBe(true);
  });

  test("a snapshot of a running guest is refused in Firecracker's words", async () => {
    const directory = temporaryDirectory();
    const vm = killedAtEnd(await driverIn(directory).boot(specIn(directory)));
    const files = { state: join(directory, "state"), memory: join(directory, "memory") };
    await expect(vm.snapshot(files, "full")).rejects.toMatchObject({
      code: "VMM_REFUSED",
      message: expect.stringContaining("save/restore unavailable while running") as string,
    });
  });

  test("what cannot boot leaves no process and no socket", async () => {
    const directory = temporaryDirectory();
    const spec = specIn(directory);
    const missing = { ...spec, kernel: join(directory, "nowhere") };
    await expect(driverIn(directory).boot(missing)).rejects.toThrow(
      "PUT /boot-source: Boot source error: The kernel file cannot be opened: No such file",
    );
    expect(existsSync(join(spec.directory, "firecracker.sock"))).toBe(false);
  });

  test("a state file that is none is refused, and the process goes", async () => {
    const directory = temporaryDirectory();
    const state = join(directory, "state");
    writeFileSync(state, "not a snapshot");
    const load = driverIn(directory).load({
      directory: subdirectory(directory, "vm"),
      snapshot: { state, memory: state },
      memory: { kind: "file" },
    });
    await expect(load).rejects.toMatchObject({ code: "VMM_REFUSED" });
  });

  test("a running microVM is adopted by its record, another process is not", async () => {
    const directory = temporaryDirectory();
    const driver = driverIn(directory);
    const vm = killedAtEnd(await driver.boot(specIn(directory)));
    const adopted = await driver.adopt(vm.record);
    await adopted?.pause();
    expect(adopted?.record).toEqual(vm.record);
    expect(await driver.adopt({ ...vm.record, startTime: "1" })).toBeUndefined();
    await adopted?.kill();
    await expect(vm.exited).resolves.toEqual({ code: undefined, signal: "SIGKILL" });
    expect(await driver.adopt(vm.record)).toBeUndefined();
  });

  test("killing twice is no error and takes the socket along", async () => {
    const directory = temporaryDirectory();
    const vm = await driverIn(directory).boot(specIn(directory));
    await Promise.all([vm.kill(), vm.kill()]);
    await vm.kill();
    expect(existsSync(join(vm.record.directory, "firecracker.sock"))).toBe(false);
  });
});
