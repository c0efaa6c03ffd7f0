/**
 * An aarch64 machine with KVM in QEMU's emulation: it starts at EL2, so that Debian's kernel has a
 * working /dev/kvm, and this project with Node for aarch64 is the only userland.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpioArchive } from "../../src/guest/initramfs.ts";
import { armParts, type ArmParts } from "./arm-parts.ts";
import { addProject, emptyTree, reportedIn, runQemu, type Reported } from "./machine.ts";

const QEMU = "qemu-system-aarch64";

/** A minute on a machine that does nothing else, and much more on a busy one. */
const TIMEOUT_MS = 1_200_000;

/** What is missing to emulate such a machine here; undefined where nothing is. */
export function missingForArm(): string | undefined {
  if (process.platform !== "linux") return "this is not Linux";
  if (spawnSync(QEMU, ["--version"]).status !== 0) return `there is no ${QEMU}`;
  return undefined;
}

export interface ArmMachine {
  /** As QEMU's -cpu takes it, e.g. `max,sve=off`. */
  readonly cpu: string;
  /** Which of Debian's kernels: the release's own or the newer one of its backports. */
  readonly kernel: "stable" | "backports";
  readonly commands: readonly (readonly string[])[];
  /** Further files, by their absolute path in the machine. */
  readonly files?: Readonly<Record<string, string>>;
}

function archiveOf({ node, libraries, koffi }: ArmParts, machine: ArmMachine): Buffer {
  const tree = emptyTree();
  tree.file("bin/node", readFileSync(node), 0o755);
  for (const name of readdirSync(libraries)) {
    if (/\.so(\.|$)/.test(name))
      tree.file(join("lib", name), readFileSync(join(libraries, name)), 0o755);
  }
  addProject(tree, koffi, "@koromix/koffi-linux-arm64");
  for (const [path, text] of Object.entries(machine.files ?? {})) {
    tree.file(path.slice(1), Buffer.from(text));
  }
  const work = { modules: [], commands: machine.commands, port: "/dev/ttyAMA0" };
  tree.file("app/work.json", Buffer.from(JSON.stringify(work)));
  return cpioArchive(tree.entries);
}

function qemuArguments(cpu: string, kernel: string, initrd: string, serial: string): string[] {
  const options = {
    M: "virt,virtualization=on,gic-version=3",
    accel: "tcg",
    cpu,
    m: "1024",
    display: "none",
    kernel,
    initrd,
    serial: `file:${serial}`,
    // LD_LIBRARY_PATH is no parameter of the kernel's, so it becomes init's environment.
    append:
      "console=ttyAMA0 quiet loglevel=1 panic=-1 LD_LIBRARY_PATH=/lib NO_COLOR=1 rdinit=/bin/node -- /app/init.mjs",
  };
  const pairs = Object.entries(options).flatMap(([key, value]) => [`-${key}`, value]);
  return ["-nodefaults", "-no-user-config", "-no-reboot", ...pairs];
}

/** Boots the machine, runs the commands in it, and returns what it reported. */
export async function runArmMachine(machine: ArmMachine): Promise<Reported[]> {
  const parts = await armParts((line) => process.stderr.write(`${line}\n`));
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-arm-"));
  try {
    const [initrd, serial] = [join(directory, "initrd"), join(directory, "serial")];
    writeFileSync(initrd, archiveOf(parts, machine));
    const kernel = parts.kernels[machine.kernel];
    await runQemu(QEMU, qemuArguments(machine.cpu, kernel, initrd, serial), TIMEOUT_MS);
    const reported = reportedIn(serial);
    if (reported.length > 0) return reported;
    throw new Error(`the machine reported nothing; its console:\n${readFileSync(serial, "utf8")}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
