/** Options from defaults, a file, the environment and flags. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { AGENT_OPTIONS, flagOf, loadConfig } from "../src/index.ts";
import { ROOT, temporaryDirectory } from "./support.ts";

function configFile(text: string): string {
  const file = join(temporaryDirectory(), "agent.json");
  writeFileSync(file, text);
  return file;
}

test("a flag wins over the environment, that over the file, that over the default", () => {
  const file = configFile('{"profile": "file", "maxSandboxes": 3, "dataDir": "file"}');
  const env = { EVENKEEL_PROFILE: "env", EVENKEEL_MAX_SANDBOXES: "4", FC_CPU_TEMPLATE: "T2CL" };
  const config = loadConfig({ file, env, flags: { profile: "flag", allowUnknown: true } });
  expect(config).toMatchObject({
    profile: "flag",
    maxSandboxes: 4,
    // A VMM has another working directory than the agent.
    dataDir: resolve("file"),
    cpuTemplate: "T2CL",
    allowUnknown: true,
    allowInsecure: false,
    listen: "/run/evenkeel/agent.sock",
  });
});

test("everything that is wrong is told at once, each with the place where it was set", () => {
  const file = configFile('{"colour": "red", "maxSandboxes": -1}');
  const env = { EVENKEEL_PROFILE: "", FC_CPU_TEMPLATE: "T9", EVENKEEL_ALLOW_INSECURE: "maybe" };
  let caught: unknown;
  try {
    loadConfig({ file, env, flags: {} });
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({ code: "BAD_CONFIG", exitCode: 2 });
  const { problems } = caught as { problems: { path: string }[] };
  expect(problems.map(({ path }) => path)).toEqual([
    `${file}: colour`,
    "EVENKEEL_PROFILE",
    "FC_CPU_TEMPLATE",
    "EVENKEEL_ALLOW_INSECURE",
    `${file}: maxSandboxes`,
  ]);
});

test.each(["", "[]", '{"profile":', "null"])("a configuration file with %j is refused", (text) => {
  const file = configFile(text);
  expect(() => loadConfig({ file, env: {}, flags: {} })).toThrow(file);
});

test("docs/agent.md has every option with its variable, its flag and its default", () => {
  const text = readFileSync(join(ROOT, "docs/agent.md"), "utf8");
  const rows = [...text.matchAll(/^\| `\w+` +\| `[A-Z_]+` .*$/gm)].map(([row]) =>
    row.replaceAll(/ +\|/g, " |"),
  );
  const expected = Object.entries(AGENT_OPTIONS).map(([key, row]) => {
    const value = row.default === undefined ? "" : ` \`${row.default}\``;
    return `| \`${key}\` | \`${row.env}\` | \`${flagOf(key)}\` |${value} | ${row.help} |`;
  });
  expect(rows).toEqual(expected);
});
