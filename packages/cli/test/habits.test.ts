/** What an operator expects of any command: a version, suggestions, examples, completions. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { manualPage } from "../../../packaging/man.ts";
import { allCommands, treeOf } from "../src/completion/tree.ts";
import { EXAMPLES } from "../src/examples.ts";
import { programOf } from "../src/program.ts";
import { parseOnly } from "./parse-only.ts";
import { CLX, evenkeel, ICX, ROOT, temporaryDirectory } from "./run.ts";

const TREE = treeOf(programOf(() => undefined));
const COMMANDS = allCommands(TREE);

test("--version names package.json's version", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    version: string;
  };
  expect(evenkeel(["--version"]).stdout).toContain(`evenkeel ${version} (source, Node.js `);
});

test.each([
  [["plna"], "Did you mean plan?"],
  [["plan", "--exmaple"], "Did you mean --example?"],
  [["plan", CLX, "--require", "gfni"], "did you mean GFNI?"],
  [["plan", CLX, "--forbid", "AVX512_VMBI"], "did you mean AVX512_VBMI?"],
  [["plan", CLX, "--with", "cascadelake"], "did you mean cascade-lake?"],
  [["plan", CLX, ICX, "--without", "icelake-sp"], "did you mean ice-lake-sp?"],
])("%j is told what may have been meant", (args, meant) => {
  const { status, stderr } = evenkeel(args);
  expect(stderr).toContain(meant);
  expect(status).toBe(2);
});

test("what is like nothing that there is gets no suggestion", () => {
  expect(evenkeel(["plan", CLX, "--require", "TURBO"]).stderr).not.toContain("did you mean");
  const long = evenkeel(["plan", CLX, "--require", "A".repeat(100_000)]);
  expect([long.status, long.stderr.includes("did you mean")]).toEqual([2, false]);
});

test.each([
  [["plan", "--no-such-option", "--json"], "unknown option '--no-such-option'"],
  [["diff", "--json"], "missing required argument 'a'"],
  [["plna", "--json"], "unknown command 'plna'"],
])("the parser's error of %j is JSON, too", (args, message) => {
  const { status, stdout } = evenkeel(args);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  expect([status, error.code]).toEqual([2, "USAGE"]);
  expect(error.message).toContain(message);
});

test("each command has an example, which its parser takes", async () => {
  const leaves = COMMANDS.filter(({ commands }) => commands.length === 0);
  expect(Object.keys(EXAMPLES).toSorted()).toEqual(
    leaves.map(({ path }) => path.join(" ")).toSorted(),
  );
  expect(evenkeel(["plan", "--help"]).stdout).toContain("Examples:\n  evenkeel plan --example\n");
  for (const line of Object.values(EXAMPLES).flat()) {
    const words = /evenkeel ([^|)]*)/.exec(line)?.[1]?.trim().split(" ") ?? [];
    await expect(parseOnly(words)).resolves.toBeUndefined();
  }
});

test.each(["bash", "zsh", "fish"])("%s takes its completions", (shell) => {
  const { status, stdout } = evenkeel(["completion", shell]);
  expect(status).toBe(0);
  for (const { path } of COMMANDS) expect(stdout).toContain(path.at(-1) ?? "");
  const present = spawnSync(shell, ["-c", "exit 0"]).error === undefined;
  if (!present && process.env["CI"] !== "true") {
    process.stdout.write(`${shell} is not here: its completions are not tried\n`);
    return;
  }
  const file = join(temporaryDirectory(), "completion");
  writeFileSync(file, stdout);
  expect(spawnSync(shell, ["-n", file], { encoding: "utf8" })).toMatchObject({
    status: 0,
    stderr: "",
  });
});

test("bash completes commands below commands, options, and leaves files to itself", () => {
  const file = join(temporaryDirectory(), "completion");
  writeFileSync(file, evenkeel(["completion", "bash"]).stdout);
  const complete = (...words: string[]) => {
    const script = `source ${file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _evenkeel; echo "\${COMPREPLY[@]}"`;
    return spawnSync("bash", ["-c", script, "bash", "evenkeel", ...words], {
      encoding: "utf8",
    }).stdout.trim();
  };
  expect(complete("la")).toBe("labels launcher lab");
  expect(complete("launcher", "un")).toBe("uninstall");
  expect(complete("launcher", "install", "--fi")).toBe("--firecracker");
  expect(complete("plan", "nodes/")).toBe("");
});

test("a manual page for each command, which groff formats without a word", () => {
  const groff = spawnSync("groff", ["--version"]).error === undefined;
  for (const command of COMMANDS) {
    const { file, text } = manualPage(command, "0.2.0", "2026-11-26");
    expect(file).toBe(`${["evenkeel", ...command.path].join("-")}.1`);
    expect(text).toContain(".SH OPTIONS");
    if (!groff) continue;
    const options = ["-man", "-Tutf8", "-ww", "-z"];
    const formatted = spawnSync("groff", options, { input: text, encoding: "utf8" });
    expect([file, formatted.status, formatted.stderr]).toEqual([file, 0, ""]);
  }
});
