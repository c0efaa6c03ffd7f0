/** `evenkeel report`: what it reads, what it writes, and what it says of what it cannot read. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Drift, Join } from "@evenkeel/core";
import type { LabResult } from "@evenkeel/lab";
import type { Scans } from "@evenkeel/isa";
import type { Result } from "@evenkeel/web";
import { expect, expectTypeOf, test } from "vitest";
import { ROOT, run, temporaryDirectory } from "./run.ts";

type DataOf<K extends Result["kind"]> = Extract<Result, { readonly kind: K }>["data"];

test("it reads results as the commands' types say they are", () => {
  type Names<T> = T extends readonly (infer U)[] ? keyof U : never;
  expectTypeOf<keyof DataOf<"lab">>().toExtend<keyof LabResult | "asPredicted">();
  expectTypeOf<keyof DataOf<"drift">>().toExtend<keyof Drift>();
  expectTypeOf<keyof DataOf<"scan">>().toExtend<keyof Scans | "members" | "judgements">();
  expectTypeOf<Names<DataOf<"pools">["tree"]>>().toExtend<keyof Join>();
});

test("what it wrote is named with its size, as JSON too", async () => {
  const directory = temporaryDirectory();
  const [out, svg] = [join(directory, "r.html"), join(directory, "svg")];
  const args = ["report", "--example", "--out", out, "--svg", svg];
  const { status, stdout } = await run([...args, "--json"]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    parts: 1,
    files: [
      { file: out, bytes: readFileSync(out).length },
      { file: join(svg, "compatibility.svg") },
      { file: join(svg, "compatibility-planned.svg") },
      { file: join(svg, "pool.svg") },
      { file: join(svg, "guest-cpu.svg") },
    ],
  });
  expect(readdirSync(svg)).toHaveLength(4);
});

test("the same input makes the same file", async () => {
  const directory = temporaryDirectory();
  const files = ["a.html", "b.html"].map((name) => join(directory, name));
  for (const out of files) await run(["report", "--example", "--out", out]);
  const [a, b] = files.map((file) => readFileSync(file, "utf8"));
  expect(a).toBe(b);
});

test("a plan, its directory, and what --split wrote are shown alike", async () => {
  const directory = temporaryDirectory();
  const plan = join(directory, "plan");
  await run([
    "plan",
    "examples/intel-pool/xeon-gold-6130.json",
    "examples/intel-pool/xeon-gold-6430.json",
    "--split",
    "2",
    "--out",
    plan,
  ]);
  for (const path of [plan, join(plan, "pool-1"), join(plan, "pool-1/plan.json")]) {
    const out = join(directory, "r.html");
    expect(await run(["report", path, "--out", out])).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(out, "utf8")).toContain("Guest CPU");
  }
});

test("classes that cannot share a guest CPU: the report says so, and shows the pools there can be", async () => {
  const directory = temporaryDirectory();
  const shared = join(ROOT, "examples/bug-report-pool");
  const text = readFileSync(join(shared, "xeon-silver-4314.json"), "utf8");
  const profile = JSON.parse(text) as { incomplete?: string[] };
  writeFileSync(join(directory, "n.json"), JSON.stringify({ ...profile, incomplete: ["no MSRs"] }));
  const out = join(directory, "r.html");
  expect((await run(["report", directory, "--out", out])).status).toBe(0);
  const html = readFileSync(out, "utf8");
  expect(html).toContain("No plan:");
  expect(html).not.toContain("With the plan");
});

test.each([
  ["{", 2, /r\.json: line 1/],
  ['{"schema":"evenkeel/matrix@1"}', 2, /r\.json: entries: /],
  ['{"pools":[],"tree":[{"left":[]}]}', 2, /r\.json: tree\[0\]\.left: /],
  ['{"grids":[],"asPredicted":1}', 2, /r\.json: asPredicted: /],
  ['{"anything":1}', 2, /r\.json: /],
  ["", 2, /r\.json: /],
])("bad input %j names the file and the place", async (text, status, message) => {
  const directory = temporaryDirectory();
  const file = join(directory, "r.json");
  const out = join(directory, "r.html");
  writeFileSync(file, text);
  const told = await run(["report", file, "--out", out]);
  expect(told.status).toBe(status);
  expect(told.stderr).toMatch(message);
  expect(existsSync(out)).toBe(false);
});

test("it says what it does not show, and where there is nothing", async () => {
  const directory = temporaryDirectory();
  const out = join(directory, "r.html");
  mkdirSync(join(directory, "empty"));
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["--out", out], 2, /no file is named/],
    [["--example"], 2, /--out/],
    [[join(directory, "absent.json"), "--out", out], 2, /no such file/],
    [[join(directory, "empty"), "--out", out], 2, /no plan\.json/],
    [["--example", "--out", join(directory, "no/where.html")], 3, /no\/where\.html/],
  ];
  for (const [args, status, message] of cases) {
    const told = await run(["report", ...args]);
    expect([told.status, told.stderr]).toEqual([status, expect.stringMatching(message)]);
  }
});
