/** Options and their documentation. */
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { loadServerConfig, SERVER_OPTIONS } from "../src/index.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

test("docs/fleet.md has every option with its variable, its flag and its default", () => {
  const text = readFileSync(join(ROOT, "docs/fleet.md"), "utf8");
  const rows = [...text.matchAll(/^\| `\w+` +\| `[A-Z0-9_]+` .*$/gm)].map(([row]) =>
    row.replaceAll(/ +\|/g, " |"),
  );
  const expected = Object.entries(SERVER_OPTIONS).map(([key, row]) => {
    const value = row.default === undefined ? "" : ` \`${row.default}\``;
    return `| \`${key}\` | \`${row.env}\` | \`${flagOf(key)}\` |${value} | ${row.help} |`;
  });
  expect(rows).toEqual(expected);
});

test("flags win over the environment, which wins over the file; all that is wrong is named", () => {
  const directory = mkdtempSync(join(tmpdir(), "ek-config-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "config.json");
  writeFileSync(file, JSON.stringify({ listen: "[::1]:1", names: "a,b", logLevel: "warn" }));
  const env = { EVENKEEL_SERVER_LISTEN: "10.0.0.1:2", EVENKEEL_LOG_LEVEL: "error" };
  const config = loadServerConfig({ file, env, flags: { logLevel: "debug" } });
  expect(config).toMatchObject({
    listen: { host: "10.0.0.1", port: 2 },
    names: ["a", "b"],
    logLevel: "debug",
  });
  writeFileSync(file, JSON.stringify({ listen: "nowhere", name: "a" }));
  const wrong = { EVENKEEL_DATABASE_URL: "mysql://x" };
  expect(() => loadServerConfig({ file, env: wrong, flags: { listen: "1:99999" } })).toThrow(
    expect.objectContaining({
      code: "BAD_CONFIG",
      problems: [
        { path: `${file}: name`, message: "there is no such option" },
        { path: "--listen", message: "must be host:port" },
        { path: "EVENKEEL_DATABASE_URL", message: "must be postgres://…" },
      ],
    }),
  );
});
