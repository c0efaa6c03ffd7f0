/** Labels for schedulers: of a node that the plan fits, and of no other. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CLX, ICX, run, temporaryDirectory } from "./run.ts";

test("a node's class, pool and plan", async () => {
  const out = temporaryDirectory();
  await run(["plan", "--example", "--out", out]);
  const { status, stdout } = await run(["labels", "--plan", out, "--pool", "mixed", "--node", ICX]);
  const digest = createHash("sha256")
    .update(readFileSync(join(out, "plan.json")))
    .digest("hex");
  expect([status, stdout]).toEqual([
    0,
    `evenkeel.dev/class=ice-lake-sp-8b816b\nevenkeel.dev/pool=mixed\nevenkeel.dev/plan=${digest.slice(0, 12)}\n`,
  ]);
});

test("a node that the plan does not know gets none, and an earlier file of labels is emptied", async () => {
  const out = temporaryDirectory();
  await run(["plan", CLX, "--out", out]);
  const file = join(out, "labels");
  expect((await run(["labels", "--plan", out, "--node", CLX, "--out", file])).status).toBe(0);
  const { status, stdout, stderr } = await run([
    "labels",
    "--plan",
    out,
    "--node",
    ICX,
    "--out",
    file,
  ]);
  expect([status, stdout, stderr]).toEqual([1, "", expect.stringContaining("is not in any class")]);
  expect(readFileSync(file, "utf8")).toBe("");
});

test("a pool's name must be a label's value", async () => {
  const { status, stderr } = await run(["labels", "--plan", "x", "--pool", "a b", "--node", CLX]);
  expect([status, stderr]).toEqual([2, expect.stringContaining('"a b"')]);
});
