/** What is written down stays true. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LINT_RULES, RULES } from "@evenkeel/core";
import { expect, test } from "vitest";
import { errorPage } from "../../../scripts/error-docs.ts";
import { withReleases } from "../../../scripts/release-docs.ts";
import { evenkeel, ROOT, temporaryDirectory } from "./run.ts";

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

const MARKDOWN = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"].concat(
  (readdirSync(join(ROOT, "docs"), { recursive: true }) as string[])
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
);

test("the README shows what the command prints", () => {
  const shown = /```text\n\$ evenkeel plan --example\n([\s\S]*?)```/.exec(read("README.md"))?.[1];
  expect(shown).toBe(evenkeel(["plan", "--example"]).stdout);
});

test("docs/errors.md is what the registries say", () => {
  expect(read("docs/errors.md")).toBe(errorPage());
});

test("docs/firecracker.md has the releases that the tables have", () => {
  const page = read("docs/firecracker.md");
  expect(withReleases(page)).toBe(page);
});

test.each([
  ["docs/verdicts.md", RULES],
  ["docs/lint.md", LINT_RULES],
])("%s lists every rule", (file, rules) => {
  const documented = [...read(file).matchAll(/^\| `([a-z/-]+)` +\| (.*?) +\|$/gm)];
  expect(documented.map(([, id, text]) => [id, text])).toEqual(Object.entries(rules));
});

test("the example pools are what their script writes", () => {
  const directory = temporaryDirectory();
  const args = ["--conditions=@evenkeel/source", "scripts/make-examples.ts", directory];
  const { status } = spawnSync(join(ROOT, "node_modules/.bin/tsx"), args, { cwd: ROOT });
  expect(status).toBe(0);
  const files = readdirSync(directory, { recursive: true }) as string[];
  expect(files.length).toBeGreaterThan(8);
  for (const file of files.filter((name) => name.endsWith(".json"))) {
    expect(read(join("examples", file))).toBe(readFileSync(join(directory, file), "utf8"));
  }
});

test.each(MARKDOWN)("links in %s lead somewhere", (file) => {
  const links = [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
    ([, target]) => target ?? "",
  );
  const broken = links.filter((target) => !existsSync(join(ROOT, dirname(file), target)));
  expect(broken).toEqual([]);
});
