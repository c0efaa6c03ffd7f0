/** The one executable, without Node.js and npm. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildInfo } from "../build-info.ts";
import { buildExecutable } from "../executable/build.ts";
import { ROOT } from "../own-files.ts";
import { openPostgres, STORES } from "../../packages/server/test/postgres.ts";
import { agentRuns, commandsWork, guardAnswers, scratch, serverAnswers } from "./support.ts";

const build = join(ROOT, ".build/test");
const downloads = join(ROOT, ".build/downloads");
const info = buildInfo();
const again = join(build, "again");
const evenkeel = [join(build, "evenkeel-linux-x64")];

beforeAll(async () => {
  await buildExecutable("x64", build, downloads, info);
}, 300_000);

test("every command works", () => {
  expect(commandsWork(evenkeel, scratch())).toContain("2 nodes in 2 classes");
}, 180_000);

test("the agent does what its page shows", async () => {
  expect(await agentRuns(evenkeel)).toBe(0);
}, 120_000);

test("a launcher's guard answers", async () => {
  expect(await guardAnswers(evenkeel)).toContain('"firecracker_version":"1.14.1"');
}, 120_000);

test.skipIf(!STORES.includes("postgresql"))(
  "the server keeps its store in PostgreSQL",
  async () => {
    const postgres = await openPostgres();
    try {
      const url = ["--database-url", await postgres.database()];
      expect(await serverAnswers(evenkeel, ...url)).toContain('"store":"postgresql"');
    } finally {
      await postgres.stop();
    }
  },
  120_000,
);

test("built again, somewhere else, it is the same to the byte", async () => {
  const { sha256 } = await buildExecutable("x64", again, downloads, info);
  const first = readFileSync(join(build, "evenkeel-linux-x64.sha256"), "utf8");
  expect(first).toBe(`${sha256}  evenkeel-linux-x64\n`);
}, 300_000);
