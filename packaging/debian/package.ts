/** The Debian package, made of the executable. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { AGENT_OPTIONS } from "@evenkeel/agent/options";
import { SERVER_OPTIONS } from "@evenkeel/server/options";
import { bashCompletion } from "../../packages/cli/src/completion/bash.ts";
import { fishCompletion } from "../../packages/cli/src/completion/fish.ts";
import { allCommands, treeOf } from "../../packages/cli/src/completion/tree.ts";
import { zshCompletion } from "../../packages/cli/src/completion/zsh.ts";
import { programOf } from "../../packages/cli/src/program.ts";
import type { BuildInfo } from "../build-info.ts";
import type { Arch } from "../executable/node.ts";
import { manualPage } from "../man.ts";
import { ROOT } from "../own-files.ts";

const ARCHITECTURE: Readonly<Record<Arch, string>> = { x64: "amd64", arm64: "arm64" };
const MAINTAINER = "The evenkeel developers <evenkeel@example.invalid>";

const UNITS = ["evenkeel-agent.service", "evenkeel-server.service"] as const;

interface PackagedFile {
  readonly path: string;
  readonly content: string | Buffer;
  readonly mode?: number;
}

const ours = (name: string) => readFileSync(join(ROOT, "packaging/debian", name), "utf8");
/** The same for the same text: no name and no time. */
const gzip = (text: string) => gzipSync(text, { level: 9 });

interface OptionRow {
  readonly env: string;
  readonly help: string;
  /** False for a switch that is off. */
  readonly default: string | number | boolean | undefined;
}

/** Every option as a comment, with its default. */
function environmentFile(head: readonly string[], rows: readonly OptionRow[]): string {
  const options = rows.map(
    ({ env, help, default: value }) =>
      `\n# ${help}\n#${env}=${value === false ? "" : (value ?? "")}\n`,
  );
  return head.map((line) => `# ${line}\n`).join("") + options.join("");
}

const AGENT_HEAD = [
  "The evenkeel agent's configuration, read by evenkeel-agent.service; evenkeel agent --check",
  "prints what it comes to. A line without # sets an option; those here are the defaults.",
];
const SERVER_HEAD = [
  "The fleet service's configuration, read by evenkeel-server.service. A line without # sets an",
  "option; those here are the defaults. EVENKEEL_DATABASE_URL has none in this package: only the",
  "npm package comes with an embedded store.",
];
/** It has the password of a database. */
const SECRET = 0o640;
const CONFIGURATION: readonly PackagedFile[] = [
  {
    path: "etc/evenkeel/agent.env",
    content: environmentFile(AGENT_HEAD, Object.values(AGENT_OPTIONS)),
  },
  {
    path: "etc/evenkeel/server.env",
    content: environmentFile(SERVER_HEAD, Object.values(SERVER_OPTIONS)),
    mode: SECRET,
  },
];

function documentation({ version, epoch }: BuildInfo, licences: string): PackagedFile[] {
  const date = new Date(epoch * 1000);
  const day = date.toISOString().slice(0, 10);
  const pages = allCommands(treeOf(programOf(() => undefined))).map((command) =>
    manualPage(command, version, day),
  );
  const changelog =
    `evenkeel (${version}) unstable; urgency=medium\n\n  * See NEWS.gz.\n\n` +
    ` -- ${MAINTAINER}  ${date.toUTCString().replace("GMT", "+0000")}\n`;
  const copyright =
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n" +
    "Upstream-Name: evenkeel\n\nFiles: *\nCopyright: 2026 the evenkeel developers\n" +
    "License: Apache-2.0\n See /usr/share/common-licenses/Apache-2.0. What the executable\n" +
    " contains besides, and its licences: THIRD-PARTY-LICENSES.gz in this directory.\n";
  const doc = "usr/share/doc/evenkeel";
  return [
    ...pages.map(({ file, text }) => ({
      path: `usr/share/man/man1/${file}.gz`,
      content: gzip(text),
    })),
    { path: `${doc}/changelog.gz`, content: gzip(changelog) },
    { path: `${doc}/NEWS.gz`, content: gzip(readFileSync(join(ROOT, "CHANGELOG.md"), "utf8")) },
    { path: `${doc}/THIRD-PARTY-LICENSES.gz`, content: gzip(licences) },
    { path: `${doc}/copyright`, content: copyright },
    { path: "usr/share/lintian/overrides/evenkeel", content: ours("lintian-overrides") },
  ];
}

function files(info: BuildInfo, licences: string): PackagedFile[] {
  const tree = treeOf(programOf(() => undefined));
  return [
    ...UNITS.map((name) => ({ path: `usr/lib/systemd/system/${name}`, content: ours(name) })),
    { path: "usr/lib/sysusers.d/evenkeel.conf", content: ours("sysusers.conf") },
    { path: "usr/lib/tmpfiles.d/evenkeel.conf", content: ours("tmpfiles.conf") },
    ...CONFIGURATION,
    { path: "usr/share/bash-completion/completions/evenkeel", content: bashCompletion(tree) },
    { path: "usr/share/zsh/vendor-completions/_evenkeel", content: zshCompletion(tree) },
    { path: "usr/share/fish/vendor_completions.d/evenkeel.fish", content: fishCompletion(tree) },
    ...documentation(info, licences),
  ];
}

function control(info: BuildInfo, arch: Arch, size: number): PackagedFile[] {
  const fields = [
    ["Package", "evenkeel"],
    ["Version", info.version],
    ["Architecture", ARCHITECTURE[arch]],
    ["Maintainer", MAINTAINER],
    ["Installed-Size", String(Math.ceil(size / 1024))],
    ["Depends", "libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 10), passwd"],
    ["Suggests", "postgresql, qemu-system-x86"],
    ["Section", "admin"],
    ["Priority", "optional"],
    ["Description", "one guest CPU for a mixed-CPU fleet of Firecracker nodes"],
  ];
  const description =
    " Firecracker snapshots resume on any node of a fleet if their guests see one\n" +
    " CPU everywhere. evenkeel computes that guest CPU and a CPU template for each\n" +
    " class of nodes, judges whether a snapshot can resume on a node, and runs a\n" +
    " node's sandboxes.\n";
  const text = `${fields.map(([name, value]) => `${name}: ${value}`).join("\n")}\n${description}`;
  const script = (name: string) => ({ path: `DEBIAN/${name}`, content: ours(name), mode: 0o755 });
  return [
    { path: "DEBIAN/control", content: text },
    {
      path: "DEBIAN/conffiles",
      content: CONFIGURATION.map(({ path }) => `/${path}\n`).join(""),
    },
    ...["postinst", "prerm", "postrm"].map(script),
  ];
}

function write(root: string, { path, content, mode = 0o644 }: PackagedFile): void {
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  writeFileSync(target, content);
  chmodSync(target, mode);
}

/** All that is in a directory, deepest first, and the directory. */
function everything(directory: string): string[] {
  const below = readdirSync(directory, { recursive: true }) as string[];
  return [...below.map((name) => join(directory, name)), directory];
}

/** Writes `directory/evenkeel_VERSION_ARCH.deb`; gives its path. */
export function buildDebianPackage(
  executable: string,
  arch: Arch,
  directory: string,
  info: BuildInfo,
  licences: string,
): string {
  const root = join(directory, `deb-${arch}`);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "usr/bin"), { recursive: true, mode: 0o755 });
  copyFileSync(executable, join(root, "usr/bin/evenkeel"));
  chmodSync(join(root, "usr/bin/evenkeel"), 0o755);
  for (const file of files(info, licences)) write(root, file);
  const size = everything(root).reduce((sum, path) => sum + statSync(path).size, 0);
  for (const file of control(info, arch, size)) write(root, file);
  for (const path of everything(root)) {
    if (statSync(path).isDirectory()) chmodSync(path, 0o755);
    lutimesSync(path, info.epoch, info.epoch);
  }
  const deb = join(directory, `evenkeel_${info.version}_${ARCHITECTURE[arch]}.deb`);
  const environment = { ...process.env, SOURCE_DATE_EPOCH: String(info.epoch) };
  const options = ["--root-owner-group", "-Zxz", "-z1", "--build", root, deb];
  execFileSync("dpkg-deb", options, { env: environment, stdio: "pipe" });
  rmSync(root, { recursive: true });
  return deb;
}
