/** The container image in a runtime, and the bill of materials. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildInfo } from "../build-info.ts";
import { bundleCommand, bundledFolders } from "../bundle.ts";
import { buildExecutable } from "../executable/build.ts";
import { buildImage } from "../oci.ts";
import { ROOT } from "../own-files.ts";
import { bomText } from "../sbom.ts";
import { scratch } from "./support.ts";

const build = join(ROOT, ".build/test");
const layout = join(build, "oci");
const info = buildInfo();
const executable = join(build, "evenkeel-linux-x64");

beforeAll(async () => {
  if (!existsSync(executable)) {
    await buildExecutable("x64", build, join(ROOT, ".build/downloads"), info);
  }
  buildImage(executable, layout, info);
}, 300_000);

function isMissing(...programs: readonly string[]): boolean {
  const missing = programs.filter((name) => spawnSync(name, ["--version"]).error !== undefined);
  if (missing.length > 0 && process.env["CI"] === "true") throw new Error(missing.join(", "));
  if (missing.length > 0) process.stdout.write(`not tried: there is no ${missing.join(", ")}\n`);
  return missing.length > 0;
}

/**
 * crun wants the second version of control groups, where a machine may have the first: the
 * container gets them in a mount namespace of its own. It is given no limits, which need rights.
 */
const RUN = `
if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
  umount -R -l /sys/fs/cgroup
  mount -t cgroup2 none /sys/fs/cgroup
fi
exec crun --cgroup-manager=disabled run "$1"`;

test("the image's layout is skopeo's and umoci's, and crun runs it", () => {
  if (isMissing("skopeo", "umoci", "crun") || process.getuid?.() !== 0) return;
  const image = `${layout}:${info.version}`;
  const inspected = spawnSync("skopeo", ["inspect", `oci:${image}`], { encoding: "utf8" });
  expect(JSON.parse(inspected.stdout)).toMatchObject({ Architecture: "amd64", Os: "linux" });
  const bundle = join(scratch(), "bundle");
  const unpacked = spawnSync("umoci", ["unpack", "--image", image, bundle], { encoding: "utf8" });
  expect(unpacked).toMatchObject({ status: 0 });
  const file = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as {
    process: { args: string[]; terminal: boolean };
    mounts: { destination: string }[];
    linux: { namespaces: { type: string }[]; resources?: object };
  };
  config.process.args = ["/usr/bin/evenkeel", "plan", "--example"];
  config.process.terminal = false;
  config.mounts = config.mounts.filter(({ destination }) => destination !== "/sys/fs/cgroup");
  delete config.linux.resources;
  writeFileSync(file, JSON.stringify(config));
  const name = `evenkeel-${process.pid}`;
  const args = ["--mount", "sh", "-c", RUN, "sh", name];
  const ran = spawnSync("unshare", args, { cwd: bundle, encoding: "utf8" });
  expect([ran.stderr, ran.status]).toEqual(["", 0]);
  expect(ran.stdout).toContain("2 nodes in 2 classes");
}, 120_000);

test("built again, the image is the same to the byte", () => {
  const again = join(build, "oci-again");
  buildImage(executable, again, info);
  const index = (directory: string) => readFileSync(join(directory, "index.json"), "utf8");
  expect(index(again)).toBe(index(layout));
}, 120_000);

test("the bill of materials has each bundled package, with licence and digest", async () => {
  const output = await bundleCommand(join(build, "bom"), info);
  const runtime = { version: "24.0.0", sha256: "00" };
  const bom = JSON.parse(bomText(bundledFolders(output), runtime, info)) as {
    bomFormat: string;
    components: { name: string; licenses: unknown[]; hashes: { content: string }[] }[];
  };
  expect(bom.bomFormat).toBe("CycloneDX");
  const names = bom.components.map(({ name }) => name);
  for (const name of ["fastify", "zod", "commander", "koffi", "iced-x86", "node"]) {
    expect(names).toContain(name);
  }
  for (const { name, licenses, hashes } of bom.components) {
    expect([name, licenses.length, hashes.length]).toEqual([name, 1, 1]);
  }
}, 120_000);
