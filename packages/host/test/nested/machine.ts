/**
 * A whole machine in QEMU's emulation, AMD-V included: Debian's kernel with its kvm-amd module, and
 * this project with Node as the only userland. KVM in there honours what a vCPU is given.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cpioArchive, type ArchiveEntry } from "../../src/guest/initramfs.ts";
import { findKernel, type KernelImage } from "../../src/guest/kernel-image.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

/** The CPU that is emulated, with AMD's virtualization. */
const NESTED_CPU = "EPYC-Milan";

const QEMU = "qemu-system-x86_64";
const TIMEOUT_MS = 400_000;

/** Modules in the order they need each other; a kernel's flavour may lack the first two. */
const MODULES = [
  "drivers/char/hw_random/rng-core.ko",
  "drivers/crypto/ccp/ccp.ko",
  "virt/lib/irqbypass.ko",
  "arch/x86/kvm/kvm.ko",
  "arch/x86/kvm/kvm-amd.ko",
];
const NEEDED = 3;

/** What init.mjs begins a report with. */
const REPORT = "@evenkeel ";

export interface Reported {
  readonly kvm?: boolean;
  readonly error?: string;
  readonly command?: readonly string[];
  readonly status?: number | null;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** Files of the archive, with the directories they stand in. */
export class Tree {
  readonly entries: ArchiveEntry[] = [];
  readonly #directories = new Set<string>([".", "/"]);

  directory(path: string): void {
    if (this.#directories.has(path)) return;
    this.directory(dirname(path));
    this.#directories.add(path);
    this.entries.push({ kind: "directory", path, mode: 0o755 });
  }

  file(path: string, data: Buffer, mode = 0o644): void {
    this.directory(dirname(path));
    this.entries.push({ kind: "file", path, mode, data });
  }

  copy(from: string, to: string, wanted: (name: string) => boolean = () => true): void {
    for (const name of readdirSync(from)) {
      const path = join(from, name);
      if (!wanted(name)) continue;
      if (statSync(path).isDirectory()) this.copy(path, join(to, name), wanted);
      else this.file(join(to, name), readFileSync(path));
    }
  }
}

/** The shared libraries of a program or library, its loader among them. */
function libraries(path: string): string[] {
  const { stdout } = spawnSync("ldd", [path], { encoding: "utf8" });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap(([, library]) => library ?? []);
}

function addNode(tree: Tree, koffi: string): void {
  const node = realpathSync(process.execPath);
  tree.file("bin/node", readFileSync(node), 0o755);
  for (const library of new Set([...libraries(node), ...libraries(koffi)])) {
    const name = library.slice(library.lastIndexOf("/") + 1);
    const path = name.startsWith("ld-") ? library.slice(1) : join("lib", name);
    tree.file(path, readFileSync(library), 0o755);
  }
}

/** `native`: koffi's part for the machine, in a directory of its own. */
export function addProject(tree: Tree, native: string, at: string): void {
  const modules = join(ROOT, "node_modules");
  const skipped = new Set(["vendor", "doc", "node_modules", "src.map", "test"]);
  for (const name of ["commander", "picocolors", "koffi"]) {
    tree.copy(join(modules, name), join("app/node_modules", name), (n) => !skipped.has(n));
  }
  tree.copy(native, join("app/node_modules", at), (n) => !n.startsWith("musl"));
  // Of the agent and the server, the command line's options alone are read.
  for (const name of ["core", "host", "agent", "server", "cli"]) {
    const own = join(ROOT, "packages", name);
    const there = join("app/node_modules/@evenkeel", name);
    tree.file(join(there, "package.json"), readFileSync(join(own, "package.json")));
    tree.copy(join(own, "dist"), join(there, "dist"), (n) => !/\.(map|d\.ts)$/.test(n));
  }
  const bin = join("app/node_modules/@evenkeel/cli/bin/evenkeel.js");
  tree.file(bin, readFileSync(join(ROOT, "packages/cli/bin/evenkeel.js")));
  tree.file("app/init.mjs", readFileSync(fileURLToPath(new URL("init.mjs", import.meta.url))));
}

function moduleFiles({ modules }: KernelImage): [name: string, data: Buffer][] {
  const found = MODULES.flatMap((path): [string, Buffer][] => {
    for (const suffix of ["", ".xz", ".zst", ".gz"]) {
      try {
        const data = readFileSync(join(modules ?? "", "kernel", path + suffix));
        return [[path.slice(path.lastIndexOf("/") + 1) + suffix, data]];
      } catch {
        // Not in this flavour, or with another suffix.
      }
    }
    return [];
  });
  if (found.length < NEEDED) throw new Error(`${modules ?? "the kernel"} has no kvm-amd module`);
  return found;
}

/** What is missing to emulate such a machine here; undefined where nothing is. */
export function missingForNested(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "this is not Linux on x86-64";
  if (spawnSync(QEMU, ["--version"]).status !== 0) return `there is no ${QEMU}`;
  return undefined;
}

/** `evenkeel …` in the machine. */
export function inMachine(...args: readonly string[]): string[] {
  return ["/bin/node", "/app/node_modules/@evenkeel/cli/bin/evenkeel.js", ...args];
}

/** The directories and the console that every machine has. */
export function emptyTree(): Tree {
  const tree = new Tree();
  for (const path of ["dev", "proc", "sys", "tmp"]) tree.directory(path);
  const console = { path: "dev/console", mode: 0o600, major: 5, minor: 1 };
  tree.entries.push({ kind: "character-device", ...console });
  return tree;
}

async function archiveOf(
  kernel: KernelImage,
  commands: readonly (readonly string[])[],
  files: Readonly<Record<string, string>>,
): Promise<Buffer> {
  const tree = emptyTree();
  const native = "@koromix/koffi-linux-x64";
  addNode(tree, join(ROOT, "node_modules", native, "linux_x64/koffi.node"));
  addProject(tree, join(ROOT, "node_modules", native), native);
  const modules = moduleFiles(kernel);
  for (const [name, data] of modules) tree.file(join("modules", name), data);
  for (const [path, text] of Object.entries(files)) tree.file(path.slice(1), Buffer.from(text));
  const work = { modules: modules.map(([name]) => `/modules/${name}`), commands };
  tree.file("app/work.json", Buffer.from(JSON.stringify(work)));
  return cpioArchive(tree.entries);
}

interface Boot {
  readonly cpu: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly console: string;
  readonly report: string;
}

function qemuArguments({ cpu, kernel, initrd, console, report }: Boot): string[] {
  const options = {
    M: "q35",
    accel: "tcg",
    cpu: `${cpu},+svm,+npt`,
    m: "1024",
    display: "none",
    kernel,
    initrd,
    // LD_LIBRARY_PATH is no parameter of the kernel's, so it becomes init's environment.
    append:
      "console=ttyS0 quiet panic=-1 LD_LIBRARY_PATH=/lib NO_COLOR=1 rdinit=/bin/node -- /app/init.mjs",
  };
  const serials = [console, report].flatMap((file) => ["-serial", `file:${file}`]);
  const pairs = Object.entries(options).flatMap(([key, value]) => [`-${key}`, value]);
  return ["-nodefaults", "-no-user-config", "-no-reboot", ...serials, ...pairs];
}

/** Settles when QEMU has ended; it does not outlive this process. */
export async function runQemu(
  program: string,
  args: readonly string[],
  timeout: number = TIMEOUT_MS,
): Promise<void> {
  const child = spawn(program, args, { stdio: "ignore", timeout });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  try {
    await once(child, "exit");
  } finally {
    process.off("exit", kill);
  }
}

/** The lines of a serial port that are reports: the kernel may write there as well. */
export function reportedIn(file: string): Reported[] {
  const lines = readFileSync(file, "utf8").replaceAll("\r", "").split("\n");
  return lines.flatMap((line) => {
    const at = line.indexOf(REPORT);
    return at === -1 ? [] : [JSON.parse(line.slice(at + REPORT.length)) as Reported];
  });
}

/** Boots the machine, runs the commands in it, and returns what it reported. */
export async function runNested(
  commands: readonly (readonly string[])[],
  files: Readonly<Record<string, string>> = {},
  cpu: string = NESTED_CPU,
): Promise<Reported[]> {
  const kernel = await findKernel({ report: (line) => process.stderr.write(`${line}\n`) });
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-nested-"));
  try {
    const initrd = join(directory, "initrd");
    writeFileSync(initrd, await archiveOf(kernel, commands, files));
    const [console, report] = [join(directory, "console"), join(directory, "report")];
    await runQemu(QEMU, qemuArguments({ cpu, kernel: kernel.path, initrd, console, report }));
    const reported = reportedIn(report);
    if (reported.length > 0) return reported;
    throw new Error(`the machine reported nothing; its console:\n${readFileSync(console, "utf8")}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
