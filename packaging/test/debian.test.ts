/** The Debian package and the executable on a Debian of its smallest kind, without Node.js. */
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildInfo } from "../build-info.ts";
import { buildDebianPackage } from "../debian/package.ts";
import { buildExecutable } from "../executable/build.ts";
import { ROOT } from "../own-files.ts";
import { firstScreen, scratch } from "./support.ts";

const tools = ["debootstrap", "dpkg-deb", "systemd-analyze"];
const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
const why =
  missing.length > 0
    ? `there is no ${missing.join(", ")}`
    : process.getuid?.() === 0
      ? ""
      : "not root";
if (why !== "") process.stdout.write(`the Debian package is not tried: ${why}\n`);
const skipped = why !== "" && process.env["CI"] !== "true";

const build = join(ROOT, ".build/test");
const downloads = join(ROOT, ".build/downloads");

/** Debian's own repository, as this machine's apt knows it. */
function mirror(): string {
  const args = ["indextargets", "--format", "$(REPO_URI)", "Codename: bookworm", "Label: Debian"];
  return execFileSync("apt-get", args, { encoding: "utf8" }).split("\n", 1)[0] ?? "";
}

/** Made once for a machine; tests have copies. */
function debianRoot(): string {
  const kept = join(homedir(), ".cache/evenkeel/debian-bookworm");
  if (existsSync(kept)) return kept;
  const unfinished = `${kept}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  execFileSync("debootstrap", ["--variant=minbase", "bookworm", unfinished, mirror()]);
  renameSync(unfinished, kept);
  return kept;
}

function inside(root: string, command: string, ...options: readonly string[]) {
  const args = [...options, root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
  const { status, stdout, stderr } = spawnSync("chroot", [...args, "sh", "-c", command], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe.skipIf(skipped)("on Debian", () => {
  let older = "";
  let newer = "";
  let root = "";

  beforeAll(async () => {
    const { path } = await buildExecutable("x64", build, downloads, buildInfo());
    const versions = ["0.2.0~1", "0.2.0"].map((version) =>
      buildDebianPackage(path, "x64", build, { ...buildInfo(), version }, "none"),
    );
    root = join(build, "debian");
    rmSync(root, { recursive: true, force: true });
    execFileSync("cp", ["-a", "--reflink=auto", debianRoot(), root]);
    [older = "", newer = ""] = versions.map((deb, i) => {
      copyFileSync(deb, join(root, `tmp/${i}.deb`));
      return `/tmp/${i}.deb`;
    });
  }, 600_000);

  const works = (command: string, ...options: readonly string[]) => {
    const outcome = inside(root, command, ...options);
    expect(outcome).toMatchObject({ status: 0 });
    return outcome.stdout;
  };

  test("the README's first screen without Node.js, its last line as a user without rights", () => {
    const commands = firstScreen("README.md");
    const [, install = ""] = /without Node\.js: (dpkg -i (\S+\.deb))$/m.exec(commands) ?? [];
    const plan = /^(evenkeel [^#]*\S) +#/m.exec(commands)?.[1] ?? "";
    expect([install, plan]).toEqual([
      "dpkg -i evenkeel_0.2.0_amd64.deb",
      "evenkeel plan --example",
    ]);
    copyFileSync(join(root, newer), join(root, "tmp/evenkeel_0.2.0_amd64.deb"));
    works(`cd /tmp && ${install}`);
    expect(works(`cd / && ${plan}`, "--userspec=65534:65534")).toContain("2 nodes in 2 classes");
    works("dpkg -P evenkeel");
  }, 240_000);

  test("installed, upgraded, removed and purged; nothing is left", () => {
    works(`dpkg -i ${older}`);
    expect(inside(root, "command -v node").status).not.toBe(0);
    expect(works("evenkeel plan --example")).toContain("one guest CPU from 2 templates");
    appendFileSync(join(root, "etc/evenkeel/agent.env"), "# the operator's own line\n");
    works(`dpkg -i ${newer}`);
    expect(works("dpkg-query -f '${Version} ${Status}' -W evenkeel")).toBe(
      "0.2.0 install ok installed",
    );
    expect(works("cat /etc/evenkeel/agent.env")).toContain("the operator's own line");
    expect(works("stat -c '%a %G' /etc/evenkeel /var/lib/evenkeel")).toBe(
      "750 evenkeel\n750 evenkeel\n",
    );
    expect(works("stat -c '%a %U' /etc/evenkeel/server.env")).toBe("640 root\n");
    expect(works("cat /etc/evenkeel/server.env")).toContain("\n#EVENKEEL_DATABASE_URL=\n");
    works("dpkg -r evenkeel && test -e /etc/evenkeel/agent.env && test ! -e /usr/bin/evenkeel");
    works("dpkg -P evenkeel && test ! -e /etc/evenkeel && test ! -e /var/lib/evenkeel");
    expect(inside(root, "getent group evenkeel").status).not.toBe(0);
  }, 240_000);

  test("a user without rights plans and scans with the executable alone", () => {
    copyFileSync(join(build, "evenkeel-linux-x64"), join(root, "tmp/evenkeel"));
    const nobody = "--userspec=65534:65534";
    expect(works("/tmp/evenkeel plan --example", nobody)).toContain("2 templates");
    expect(works("/tmp/evenkeel scan /bin/ls", nobody)).toContain("all of it read");
  }, 120_000);
});

const UNITS = ["evenkeel-agent.service", "evenkeel-server.service"];

test.skipIf(skipped).each(UNITS)("%s is a unit that systemd takes", (name) => {
  const unit = join(scratch(), name);
  copyFileSync(join(ROOT, "packaging/debian", name), unit);
  const { stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
  expect(stderr.split("\n").filter((line) => !/not executable|Command 'man|^$/.test(line))).toEqual(
    [],
  );
});
