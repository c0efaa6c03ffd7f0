/** What this project is for, on two doubles: built on Ice Lake, resumed on Cascade Lake. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { installDouble, writeTinyKernel } from "@evenkeel/firecracker-double";
import { expect, onTestFinished, test } from "vitest";
import {
  createFirecrackerDriver,
  readTextFile,
  resolveTemplate,
  type CpuChoice,
  type MicroVm,
  type VmmDriver,
} from "../src/index.ts";
import {
  CASCADE_LAKE_FILE,
  ICE_LAKE_FILE,
  iceLake,
  temporaryDirectory,
  writePlan,
} from "./pool.ts";

const VERSION = "1.14.1";

function driverOn(directory: string, profile: string): VmmDriver {
  const { path } = installDouble(directory, { version: VERSION, profile });
  return createFirecrackerDriver({ binary: path, version: VERSION });
}

function killedAtEnd(vm: MicroVm): MicroVm {
  onTestFinished(() => vm.kill());
  return vm;
}

/** Boots on Ice Lake, takes a snapshot, resumes it on Cascade Lake; what the guest then says. */
async function moved(cpu: CpuChoice): Promise<string> {
  const root = temporaryDirectory();
  const at = (name: string) => join(root, name);
  for (const name of ["builder", "sandbox"]) mkdirSync(at(name));
  writeTinyKernel(at("kernel"));
  const size = { vcpus: 2, smt: false, memoryMib: 16 };
  const boot = { kernel: at("kernel"), drives: [], bootArgs: "console=ttyS0", ...size, cpu };
  const builder = driverOn(at("ice-lake"), ICE_LAKE_FILE);
  const vm = killedAtEnd(await builder.boot({ ...boot, directory: at("builder") }));
  await vm.pause();
  const snapshot = { state: at("state"), memory: at("memory") };
  await vm.snapshot(snapshot, "full");

  const target = driverOn(at("cascade-lake"), CASCADE_LAKE_FILE);
  const memory = { kind: "file" } as const;
  const loaded = killedAtEnd(await target.load({ directory: at("sandbox"), snapshot, memory }));
  await loaded.resume();
  const said = () => readFileSync(loaded.console, "utf8");
  await expect.poll(said, { timeout: 10_000 }).toContain("guest resumed");
  return said();
}

test("without a template the load succeeds, and the guest dies of an invalid opcode", async () => {
  const said = await moved({ kind: "none" });
  expect(said).toContain("trap invalid opcode");
  expect(said).toContain("AVX512_VBMI2");
});

test("with the plan's template it runs on", async () => {
  const plan = temporaryDirectory();
  writePlan(plan);
  const context = { profile: iceLake, versions: [VERSION], allowInsecure: false };
  const request = { kind: "plan", path: plan } as const;
  const { choice } = resolveTemplate(request, { ...context, read: readTextFile });
  expect(await moved(choice)).not.toContain("invalid opcode");
});

test("with T2CL it runs on", async () => {
  expect(await moved({ kind: "built-in", name: "T2CL" })).not.toContain("invalid opcode");
});
