import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CLX, evenkeel, evenkeelUnprivileged, ICX, ROOT, run, temporaryDirectory } from "./run.ts";

interface PlanJson {
  schema: string;
  classes: { id: string; nodes: string[]; template: string; givesUp: { name: string }[] }[];
  guestCpu: { features: string[] };
}

function readPlan(directory: string): PlanJson {
  return JSON.parse(readFileSync(join(directory, "plan.json"), "utf8")) as PlanJson;
}

describe("evenkeel plan", () => {
  test("writes a plan and a template per class", async () => {
    const out = join(temporaryDirectory(), "out");
    const { status, stdout, stderr } = await run(["plan", CLX, ICX, "--out", out]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("2 nodes in 2 classes: one guest CPU from 2 templates.");
    const plan = readPlan(out);
    expect(plan.schema).toBe("evenkeel/pool-plan@1");
    expect(plan.classes.map(({ nodes }) => nodes)).toEqual([
      ["xeon-silver-4216"],
      ["xeon-silver-4314"],
    ]);
    for (const { id, template } of plan.classes) {
      expect(template).toBe(`templates/${id}.json`);
      const text = readFileSync(join(out, template), "utf8");
      expect(Object.keys(JSON.parse(text) as object)).toEqual(["cpuid_modifiers", "msr_modifiers"]);
    }
    expect(readdirSync(out).toSorted()).toEqual(["plan.json", "templates"]);
  });

  test("gives the same bytes for the same nodes in any order", async () => {
    const directory = temporaryDirectory();
    const pool = readdirSync(join(ROOT, "examples/intel-pool")).map(
      (f) => `examples/intel-pool/${f}`,
    );
    const [a, b] = [join(directory, "a"), join(directory, "b")];
    expect((await run(["plan", ...pool, "-o", a])).status).toBe(0);
    expect((await run(["plan", ...pool.toReversed(), "-o", b])).status).toBe(0);
    const files = readdirSync(a, { recursive: true }) as string[];
    expect(readdirSync(b, { recursive: true })).toEqual(files);
    for (const file of files.filter((f) => f.endsWith(".json"))) {
      expect(readFileSync(join(b, file))).toEqual(readFileSync(join(a, file)));
    }
  });

  test("--json prints what plan.json holds", async () => {
    const out = join(temporaryDirectory(), "out");
    const { stdout } = await run(["plan", CLX, ICX, "--json", "-o", out]);
    expect(stdout).toBe(readFileSync(join(out, "plan.json"), "utf8"));
  });

  test("reads a profile from standard input", () => {
    const { status, stdout } = evenkeel(["plan", "-", ICX], readFileSync(join(ROOT, CLX)));
    expect(status).toBe(0);
    expect(stdout).toContain("xeon-silver-4216");
  });

  test("names a node after its file where the profile has no name", async () => {
    const directory = temporaryDirectory();
    const json = JSON.parse(readFileSync(join(ROOT, CLX), "utf8")) as { name?: string };
    delete json.name;
    for (const name of ["rack-1", "rack-2"]) {
      writeFileSync(join(directory, `${name}.json`), JSON.stringify(json));
    }
    const files = ["rack-1", "rack-2"].map((name) => join(directory, `${name}.json`));
    const { stdout } = await run(["plan", ...files, "--json"]);
    expect((JSON.parse(stdout) as PlanJson).classes[0]?.nodes).toEqual(["rack-1", "rack-2"]);
  });

  test("profiles that share their CPU keep their own names and hosts", async () => {
    const pool = ["a", "b", "c"].map((x) => `examples/intel-pool/xeon-gold-6330-${x}.json`);
    const { stdout } = await run(["plan", ...pool, "--json"]);
    const [only, ...others] = (JSON.parse(stdout) as PlanJson).classes;
    expect(others).toEqual([]);
    expect(only?.nodes).toEqual(["xeon-gold-6330-a", "xeon-gold-6330-b", "xeon-gold-6330-c"]);
  });

  test("a member that follows the CPU's is not lost on profiles that share it", async () => {
    const directory = temporaryDirectory();
    const { name: _, ...json } = JSON.parse(readFileSync(join(ROOT, CLX), "utf8")) as {
      name: string;
    };
    const files = ["x", "y"].map((name) => {
      const file = join(directory, `${name}.json`);
      writeFileSync(file, JSON.stringify({ ...json, name: "last" }));
      return file;
    });
    const { status, stderr } = await run(["plan", ...files]);
    expect(status).toBe(2);
    expect(stderr).toContain('more than one node is named "last"');
  });

  test("an earlier plan's templates go when they are not needed any more", async () => {
    const out = join(temporaryDirectory(), "out");
    await run(["plan", CLX, ICX, "-o", out]);
    writeFileSync(join(out, "templates", "mine.json"), "{}");
    await run(["plan", CLX, "-o", out]);
    const [only] = readPlan(out).classes;
    expect(readdirSync(join(out, "templates")).toSorted()).toEqual(
      [`${only?.id}.json`, "mine.json"].toSorted(),
    );
  });

  test("refuses with exit code 1 and reasons, and writes nothing", async () => {
    const directory = temporaryDirectory();
    const out = join(directory, "out");
    const json = JSON.parse(readFileSync(join(ROOT, CLX), "utf8")) as Record<string, unknown>;
    const broken = join(directory, "broken.json");
    writeFileSync(broken, JSON.stringify({ ...json, name: "b", msrs: [] }));
    const { status, stdout, stderr } = await run(["plan", ICX, broken, "-o", out, "--json"]);
    expect(status).toBe(1);
    expect(stderr).toContain("too incomplete to plan safely");
    expect(JSON.parse(stdout)).toMatchObject({ refused: [{ code: "incomplete", nodes: ["b"] }] });
    expect(existsSync(out)).toBe(false);
  });

  test("--identity and --firecracker are checked", async () => {
    expect((await run(["plan", CLX, "--identity", "keep"])).status).toBe(0);
    expect(await run(["plan", CLX, "--identity", "old"])).toMatchObject({ status: 2 });
    expect((await run(["plan", CLX, "--firecracker", "1.12.1", "v1.14.1_431f1fc"])).status).toBe(0);
    const unknown = await run(["plan", CLX, "--firecracker", "0.25"]);
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain('nothing is known about Firecracker "0.25"');
  });
});

describe("shaping a pool", () => {
  const pool = ["6130", "6230-a", "6330-a", "6430"].map(
    (sku) => `examples/intel-pool/xeon-gold-${sku}.json`,
  );

  test("--require: exit code 1 and the classes in the way", async () => {
    const { status, stderr } = await run(["plan", ...pool, "--require", "x86-64-v3", "GFNI"]);
    expect(status).toBe(1);
    expect(stderr.replaceAll(/\s+/g, " ")).toMatch(
      /GFNI .* is required: skylake-sp-\w+ and cascade/,
    );
  });

  test("--forbid and --without", async () => {
    const { stdout } = await run([
      "plan",
      ...pool,
      "--forbid",
      "AVX512F",
      "--without",
      "skylake-sp",
    ]);
    expect(stdout).toContain("3 nodes in 3 classes");
    expect(stdout).toContain("AVX512F (on purpose)");
  });

  test("--compare says whether a built-in template is applicable, sound, and its price", async () => {
    const { stdout } = await run(["plan", CLX, ICX, "--compare", "T2CL", "T2S"]);
    expect(stdout).toMatch(/sound +no: ice-lake-sp-\w+ →/);
    expect(stdout).toContain("refused by Firecracker 1.12 and later");
  });

  test("--split writes a plan per pool and shows what joining costs", async () => {
    const out = join(temporaryDirectory(), "out");
    const { status, stdout } = await run(["plan", ...pool, "--split", "2", "-o", out]);
    expect(status).toBe(0);
    expect(stdout).toContain("2 pools. Merges considered, cheapest first:");
    expect(readdirSync(out)).toEqual(["pool-1", "pool-2"]);
    expect(readPlan(join(out, "pool-1")).schema).toBe("evenkeel/pool-plan@1");
    const { pools, tree } = JSON.parse(
      (await run(["plan", ...pool, "--max-loss", "12", "--json"])).stdout,
    ) as { pools: PlanJson[]; tree: unknown[] };
    expect(pools.length).toBeGreaterThan(1);
    expect(tree).toHaveLength(3);
  });

  test.each([
    [["--require", "AVX3"]],
    [["--without", "haswell"]],
    [["--split", "0"]],
    [["--max-loss", "x"]],
    [["--compare", "T9"]],
    [["--split", "2", "--compare", "T2CL"]],
  ])("bad input is exit code 2: %j", async (flags) => {
    expect(await run(["plan", ...pool, ...flags])).toMatchObject({ status: 2 });
  });
});

describe("bad input: exit code 2, file and place named, nothing written", () => {
  const good = readFileSync(join(ROOT, CLX), "utf8");
  const cases: [string, string | Buffer, string][] = [
    ["not JSON", "not json", "bad.json: line 1: neither JSON nor a known CPU dump format"],
    ["empty", "", "bad.json: line 1, column 1: the file is empty"],
    ["truncated", good.slice(0, 700), "not JSON: the text ends too early"],
    [
      "binary",
      Buffer.from([0xff, 0xfe, 0, 1]),
      "bad.json: line 1: neither JSON nor a known CPU dump format",
    ],
    ["a list", "[]", "bad.json: the top level must be an object, but is a list"],
    ["wrong schema", '{"schema":"x"}', 'bad.json: schema: unknown schema "x"'],
    [
      "a template",
      '{"cpuid_modifiers":[{"leaf":"0x1","subleaf":"0x0","flags":0,"modifiers":[{"register":"eax","bitmap":"0bx"}]}]}',
      "bad.json: this is a CPU template",
    ],
    [
      "a bitmap too wide",
      `{"guest_cpu_config":{"cpuid_modifiers":[{"leaf":"0x0","subleaf":"0x0","flags":0,"modifiers":[{"register":"eax","bitmap":"0b${"0".repeat(33)}"}]}]}}`,
      "bad.json: guest_cpu_config.cpuid_modifiers[0].modifiers[0].bitmap: 33 characters",
    ],
    [
      "an entry twice",
      good.replace(
        '"cpuid": [',
        '"cpuid": [{"leaf":"0x1","eax":"0x0","ebx":"0x0","ecx":"0x0","edx":"0x0"},',
      ),
      "bad.json: cpuid[2]: duplicate of cpuid[0]",
    ],
  ];

  test.each(cases)("%s", async (_, content, message) => {
    const directory = temporaryDirectory();
    const file = join(directory, "bad.json");
    writeFileSync(file, content);
    const { status, stdout, stderr } = await run(["plan", ICX, file, "-o", join(directory, "out")]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(readdirSync(directory)).toEqual(["bad.json"]);
  });

  test("a huge file is refused before it is read", async () => {
    const file = join(temporaryDirectory(), "huge.json");
    writeFileSync(file, "");
    truncateSync(file, 200 * 1024 * 1024);
    const { status, stderr } = await run(["plan", file]);
    expect(status).toBe(2);
    expect(stderr).toContain("huge.json: is 200 MiB, the limit is 16 MiB");
    const piped = evenkeel(["plan", "-"], Buffer.alloc(17 * 1024 * 1024, " "));
    expect(piped.status).toBe(2);
    expect(piped.stderr).toContain("standard input: is larger than 16 MiB");
  });

  test("a directory, a missing file, standard input twice, nothing at all", async () => {
    expect((await run(["plan", "examples"])).stderr).toContain("examples: has no file *.json");
    expect((await run(["plan", "nowhere.json"])).stderr).toContain("no such file");
    expect((await run(["plan", "-", "-"])).stderr).toContain("more than once");
    for (const args of [
      ["plan", "examples"],
      ["plan", "nowhere.json"],
      ["plan"],
      ["plan", "-", "-"],
    ]) {
      expect((await run(args)).status).toBe(2);
    }
    expect((await run(["plan", CLX, "--nope"])).status).toBe(2);
    expect((await run(["nope"])).status).toBe(2);
  });

  test("the same node twice", async () => {
    const { status, stderr } = await run(["plan", CLX, CLX]);
    expect(status).toBe(2);
    expect(stderr).toContain('more than one node is named "xeon-silver-4216"');
  });

  test("a file that may not be read", () => {
    const file = join(temporaryDirectory(), "secret.json");
    copyFileSync(join(ROOT, CLX), file);
    chmodSync(file, 0o000);
    const { status, stderr } = evenkeelUnprivileged(["plan", file]);
    expect(status).toBe(2);
    expect(stderr).toContain("secret.json");
    expect(stderr).toContain("no permission to read it");
  });

  test("with --json the error is JSON too", async () => {
    const { status, stdout } = await run(["plan", "nowhere.json", "--json"]);
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "UNREADABLE" } });
  });
});

test("where the output cannot be written: exit code 3, and nothing half-written", async () => {
  const directory = temporaryDirectory();
  const out = join(directory, "out");
  mkdirSync(out);
  writeFileSync(join(out, "templates"), "a file in the way");
  const { status, stderr } = await run(["plan", CLX, ICX, "-o", out]);
  expect(status).toBe(3);
  expect(stderr).toContain(out);
  expect(readdirSync(out)).toEqual(["templates"]);
});

describe("a pool in which moves fail", () => {
  const pool = ["--with", "rome@6.1", "--with", "milan@6.1"];

  test("is refused with the pair, the field and the ways out; nothing is written", async () => {
    const out = join(temporaryDirectory(), "out");
    const { status, stdout, stderr } = await run(["plan", ...pool, "--out", out]);
    expect([status, stdout]).toEqual([1, ""]);
    const text = stderr.replaceAll(/\s+/g, " ");
    expect(text).toMatch(/on milan-\w+ is insecure: family\/model\/stepping \(CPUID\.01H:EAX\)/);
    expect(text).toMatch(/--split 2.*--without CLASS.*--accept insecure/);
    expect(existsSync(out)).toBe(false);
    const { refused } = JSON.parse((await run(["plan", ...pool, "--json"])).stdout) as {
      refused: { code: string; nodes: string[] }[];
    };
    expect(refused).toMatchObject([{ code: "verdict", nodes: ["estimate:milan@6.1"] }]);
    expect((await run(["plan", ...pool, "--split", "2"])).status).toBe(0);
  });

  test("is planned where that is accepted, and the plan says so", async () => {
    const out = join(temporaryDirectory(), "out");
    expect((await run(["plan", ...pool, "--accept", "unknown"])).status).toBe(1);
    expect((await run(["plan", ...pool, "--accept", "anything"])).status).toBe(2);
    const { status, stdout } = await run(["plan", ...pool, "--accept", "insecure", "--out", out]);
    expect(status).toBe(0);
    expect(stdout).toContain("Accepted with --accept insecure");
    const plan = JSON.parse(readFileSync(join(out, "plan.json"), "utf8")) as {
      moves: { accepted: object };
    };
    expect(plan.moves.accepted).toMatchObject({
      verdict: "insecure",
      reasons: [{ rule: "identity", severity: "insecure" }],
    });
    expect((await run(["show", join(out, "plan.json")])).status).toBe(0);
  });

  test("lists the moves that no template allows, and matrix refuses the same", async () => {
    const directory = temporaryDirectory();
    const nodes = [CLX, ICX].map((file, i) => {
      const copy = join(directory, `${i}.json`);
      const text = readFileSync(join(ROOT, file), "utf8");
      writeFileSync(
        copy,
        text.replace(/"kernel": "6\.8[^"]*"/, `"kernel": "${i === 0 ? "5.10.1" : "6.1.1"}"`),
      );
      return copy;
    });
    const out = join(directory, "plan");
    const { status, stdout } = await run(["plan", ...nodes, "--out", out]);
    expect(status).toBe(0);
    expect(stdout).toContain("Moves that no template can allow");
    expect(stdout).toMatch(/ice-lake-sp-\w+ → cascade-lake-\w+/);
    const matrix = await run(["matrix", ...nodes, "--plan", out]);
    expect([matrix.status, matrix.stdout]).toEqual([1, expect.stringContaining("3 of 4 ordered")]);
  });
});
