/** docs/security.md says of each attack which test shows what stops it: those tests are there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./fixtures.ts";

const PAGE = readFileSync(join(ROOT, "docs/security.md"), "utf8");
const SCRIPTS = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object }).scripts,
);

/** What a text names as evidence: test files below packages/, and scripts. */
function named(text: string): string[] {
  return [...text.matchAll(/`([\w/-]+\.test\.ts|npm run [\w-]+)`/g)].map(([, name = ""]) => name);
}

/** The last cell of each row, with the row itself. */
function rows(): [row: string, evidence: string][] {
  const lines = PAGE.split("\n").filter((line) => /^\| (?!tries|happens|-)/.test(line));
  return lines.map((line) => [line.split("|")[1]?.trim() ?? "", line.split("|").at(-2) ?? ""]);
}

test.each(rows())("%s: a test is named", (_, evidence) => {
  expect(named(evidence)).not.toEqual([]);
});

test("every test that is named is there", () => {
  const all = named(PAGE);
  expect(all.length).toBeGreaterThan(20);
  const missing = all.filter((name) =>
    name.startsWith("npm run ")
      ? !SCRIPTS.includes(name.slice("npm run ".length))
      : !existsSync(join(ROOT, "packages", name)),
  );
  expect(missing).toEqual([]);
});
