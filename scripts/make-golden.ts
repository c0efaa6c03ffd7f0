/**
 * Records the golden profiles of packages/host/test/golden: of this machine, where its KVM answers,
 * and of QEMU's emulation. What changes from boot to boot is left out.
 *
 *   npm run golden -- NAME-OF-THIS-MACHINE [DIR]
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatProfile, readProfile, type NodeProfile } from "@evenkeel/core";
import { KVM_PATH, probe } from "@evenkeel/host";
import { runArmMachine } from "../packages/host/test/nested/arm-machine.ts";
import { inMachine, runNested } from "../packages/host/test/nested/machine.ts";

const [name, directory = "packages/host/test/golden"] = process.argv.slice(2);
if (name === undefined) throw new Error("name this machine, such as epyc-milan-pvm");
const target = join(dirname(fileURLToPath(import.meta.url)), "..", directory);
const date = new Date().toISOString().slice(0, 10);

function record(profile: NodeProfile, where: string): void {
  const { bootId: _, ...host } = profile.host;
  const provenance = `evenkeel probe on ${where}, ${date}; the boot id is left out`;
  const path = join(target, `${profile.name}.json`);
  writeFileSync(path, formatProfile({ ...profile, host, provenance }));
  process.stdout.write(`${path}\n`);
}

if (existsSync(KVM_PATH)) {
  const profile = await probe({ name });
  record(
    profile,
    `a ${profile.host.cpuModel ?? "machine"} behind ${profile.kvm?.backend ?? "KVM"}`,
  );
}

const { stdout } = spawnSync("qemu-system-x86_64", ["--version"], { encoding: "utf8" });
const version = /version (\d+\.\d+)/.exec(stdout)?.[1] ?? "unknown";
for (const cpu of ["EPYC", "EPYC-Rome", "EPYC-Milan"]) {
  const nested = `qemu-${version}-${cpu.toLowerCase()}`;
  const [, reported] = await runNested([inMachine("probe", "--json", "--name", nested)], {}, cpu);
  const { tsc: _, ...emulated } = readProfile(JSON.parse(reported?.stdout ?? ""), nested);
  record(emulated, `QEMU ${version} (-accel tcg -cpu ${cpu},+svm,+npt) with Debian's kernel`);
}

const ARM = "max,sve=off";
for (const [kernel, release] of [
  ["stable", "6.1"],
  ["backports", "6.12"],
] as const) {
  const arm = `qemu-${version}-arm-max-${release}`;
  const commands = [inMachine("probe", "--json", "--name", arm)];
  const [, reported] = await runArmMachine({ cpu: ARM, kernel, commands });
  const where = `QEMU ${version} (-accel tcg -M virt,virtualization=on -cpu ${ARM})`;
  record(readProfile(JSON.parse(reported?.stdout ?? ""), arm), `${where} with Debian's kernel`);
}
