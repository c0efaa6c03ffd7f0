/** A file whose CPU was read before is refused for whatever it would be refused for alone. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CLX, ROOT, run, temporaryDirectory } from "./run.ts";

const PROFILE = readFileSync(join(ROOT, CLX), "utf8");
const AT = PROFILE.indexOf('"arch"');
const [HEADER, CPU] = [PROFILE.slice(0, AT), PROFILE.slice(AT)];
const SCHEMA = '"schema": "evenkeel/node-profile@1"';

test("the example has a header that the cases can change", () => {
  expect(AT).toBeGreaterThan(0);
  expect(HEADER).toContain(SCHEMA);
});

function write(...texts: readonly string[]): string[] {
  const directory = temporaryDirectory();
  return texts.map((text, i) => {
    const file = join(directory, `node-${i}.json`);
    writeFileSync(file, text);
    return file;
  });
}

async function refusal(files: readonly string[]) {
  const { status, stderr } = await run(["plan", ...files]);
  return { status, stderr };
}

test.each<[string, string, string]>([
  ["a schema of the future", HEADER.replace("profile@1", "profile@9") + CPU, "unknown schema"],
  ["no schema", `{"estimate": true, "incomplete": ["msrs"], ${CPU}`, "unknown format"],
  ["no header at all", `{${CPU}`, "unknown format"],
  ["a fingerprint's header", `{"kernel_version": "6.1", ${CPU}`, "unknown format"],
  ["an unknown member", HEADER.replace(SCHEMA, `${SCHEMA}, "x": 1`) + CPU, "x: unknown key"],
  [
    "an estimate that says that it is none",
    HEADER.replace(SCHEMA, `${SCHEMA}, "estimate": true, "estimate": false`) + CPU,
    'duplicate key "estimate"',
  ],
  [
    "a member of the CPU before it",
    HEADER.replace(SCHEMA, `${SCHEMA}, "cpuid": []`) + CPU,
    'duplicate key "cpuid"',
  ],
])("%s", async (_, text, why) => {
  const [good = "", bad = ""] = write(PROFILE, text);
  const alone = await refusal([bad]);
  expect(alone).toEqual({ status: 2, stderr: expect.stringContaining(why) });
  expect(await refusal([good, bad])).toEqual(alone);
});

test("what a header says of itself is kept where its CPU was read before", async () => {
  const named = HEADER.replace(/"name": "[^"]*"/, '"name": "guessed"');
  const estimate = named.replace(SCHEMA, `${SCHEMA}, "estimate": true`);
  const { status, stdout } = await run(["plan", ...write(PROFILE, estimate + CPU)]);
  expect(status).toBe(0);
  expect(stdout).toContain("has a node that is an estimate");
});
