import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CLX, ICX, ROOT, run, temporaryDirectory } from "./run.ts";

/** A profile without its name, its own clock, and its schema at the front again. */
function without(profile: object): object {
  const { name: _, tsc: __, ...rest } = profile as { name?: string; tsc?: object };
  return rest;
}

interface CheckJson {
  results: { node: string; verdict: string; findings: { name: string; rule: string }[] }[];
}

async function contractFile(args: readonly string[]): Promise<string> {
  const file = join(temporaryDirectory(), "snapshot.contract.json");
  const { status, stderr } = await run(["contract", ...args, "-o", file]);
  expect([status, stderr]).toEqual([0, ""]);
  return file;
}

async function planned(...files: string[]): Promise<string> {
  const out = join(temporaryDirectory(), "plan");
  expect((await run(["plan", ...files, "-o", out])).status).toBe(0);
  return out;
}

describe("evenkeel contract", () => {
  test("prints a contract with its digest, or writes it", async () => {
    const { status, stdout } = await run(["contract", ICX, "--vcpus", "4", "--smt"]);
    expect(status).toBe(0);
    const contract = JSON.parse(stdout) as Record<string, unknown>;
    expect(contract).toMatchObject({
      schema: "evenkeel/cpu-contract@1",
      node: "xeon-silver-4314",
      firecracker: "1.14.1",
      snapshotFormat: "8.0.0",
      vcpus: 4,
      smt: true,
      xcr0: "0x2e7",
    });
    expect(contract["digest"]).toMatch(/^[0-9a-f]{64}$/);
    const file = await contractFile([ICX]);
    expect((await run(["show", file])).stdout).toContain(
      "Contract of a snapshot of xeon-silver-4314",
    );
  });

  test("takes a plan's template for the node, and its class", async () => {
    const contract = JSON.parse(
      (await run(["contract", ICX, "--plan", await planned(CLX, ICX)])).stdout,
    ) as { class: string; template: string };
    expect(contract.template).toBe(`templates/${contract.class}.json`);
  });

  test("a template that the node cannot boot: exit code 1 and the reason", async () => {
    const out = await planned(CLX, ICX);
    const { classes } = JSON.parse(readFileSync(join(out, "plan.json"), "utf8")) as {
      classes: { nodes: string[]; template: string }[];
    };
    const other = classes.find(({ nodes }) => nodes.includes("xeon-silver-4216"))?.template ?? "";
    const { status, stderr } = await run(["contract", ICX, "--template", join(out, other)]);
    expect(status).toBe(1);
    expect(stderr).toContain("lacks CPUID.(EAX=0DH,ECX=3)");
  });

  test("a built-in template on a model outside its list is refused from 1.12 on", async () => {
    const args = ["contract", "examples/intel-pool/xeon-gold-6430.json", "--cpu-template", "T2CL"];
    expect((await run([...args, "--firecracker", "1.11.0"])).status).toBe(0);
    const { status, stderr } = await run([...args, "--firecracker", "1.12.0"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("T2CL on model 6/143/8")]);
  });

  test.each([
    [["contract", ICX, "--vcpus", "0"]],
    [["contract", ICX, "--cpu-template", "T3"]],
    [["contract", ICX, "--template", CLX]],
    [["contract", ICX, "--plan", CLX]],
    [["contract", ICX, "--template", "x", "--cpu-template", "T2"]],
    [["contract", ICX, "--firecracker", "0.1"]],
  ])("bad input is exit code 2: %j", async (args) => {
    const { status, stderr } = await run(args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^evenkeel: .*\nhint: /);
  });

  test("a node that the plan does not have", async () => {
    const { status, stderr } = await run(["contract", CLX, "--plan", await planned(ICX)]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("no class that matches xeon-silver-4216"),
    ]);
  });
});

describe("evenkeel check", () => {
  test("names what is missing and who can resume it; exit code 1", async () => {
    const { status, stdout } = await run([
      "check",
      "--snapshot",
      await contractFile([ICX]),
      "--node",
      CLX,
      ICX,
    ]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^xeon-silver-4216 +incompatible/m);
    expect(stdout).toMatch(/^xeon-silver-4314 +compatible/m);
    expect(stdout).toContain("AVX512_VBMI2");
    expect(stdout).toContain("die of SIGILL");
    expect(stdout).toContain("Now: resume on xeon-silver-4314");
  });

  test("with the plan's templates every direction is compatible; exit code 0", async () => {
    const plan = await planned(CLX, ICX);
    for (const from of [CLX, ICX]) {
      const file = await contractFile([from, "--plan", plan]);
      expect((await run(["check", "--snapshot", file, "--node", CLX, ICX])).status).toBe(0);
    }
  });

  test("--json has a verdict and the findings per node", async () => {
    const file = await contractFile([ICX]);
    const { stdout } = await run(["check", "--snapshot", file, "--node", CLX, "--json"]);
    const [result] = (JSON.parse(stdout) as CheckJson).results;
    expect(result).toMatchObject({ node: "xeon-silver-4216", verdict: "incompatible" });
    expect(result?.findings).toContainEqual(expect.objectContaining({ name: "RRSBA" }));
  });

  test("many nodes of a class are one row, and advice fits", async () => {
    const directory = temporaryDirectory();
    const profile = JSON.parse(readFileSync(join(ROOT, CLX), "utf8")) as object;
    const nodes = Array.from({ length: 300 }, (_, i) => {
      const file = join(directory, `n${i}.json`);
      // Each boot calibrates the TSC anew.
      writeFileSync(
        file,
        JSON.stringify({ name: `n${i}`, tsc: { khz: 2_100_000 + i }, ...without(profile) }),
      );
      return file;
    });
    const check = ["check", "--snapshot", await contractFile([ICX]), "--node"];
    const { status, stdout } = await run([...check, ...nodes]);
    expect(status).toBe(1);
    expect(stdout.split("\n").length).toBeLessThan(60);
    expect(stdout).toMatch(/^n0, n1, .* and \d+ more +incompatible/m);
    expect(stdout).toContain("resume on xeon-silver-4314 or a node of its class");
    const { results } = JSON.parse((await run([...check, ...nodes, "--json"])).stdout) as CheckJson;
    expect(results.map(({ node }) => node)).toEqual(nodes.map((_, i) => `n${i}`));
    const matrix = (await run(["matrix", ...nodes, ICX])).stdout;
    expect(matrix).toMatch(/^1 +cascade-lake-\w+ +300 +/m);
    expect(matrix.split("\n").length).toBeLessThan(60);
  });

  test("a node that refuses its own snapshot is not sent to a node like itself", async () => {
    const file = await contractFile([ICX]);
    const args = ["check", "--snapshot", file, "--node", ICX, "--firecracker", "1.15.0"];
    const { stdout } = await run(args);
    expect(stdout).toContain("Now: boot a new guest.");
    expect(stdout).toContain("install a Firecracker on these nodes");
    expect(stdout).not.toContain("plan the pool");
  });

  test("nobody whose pool is planned is told to plan it", async () => {
    const file = await contractFile([ICX, "--plan", await planned(ICX)]);
    const { stdout } = await run(["check", "--snapshot", file, "--node", CLX]);
    expect(stdout).toContain("if these nodes belong to the pool, plan it again");
    expect(stdout).not.toContain("plan the pool (evenkeel plan)");
  });

  test("--firecracker is the version that will resume it", async () => {
    const file = await contractFile([ICX]);
    const check = ["check", "--snapshot", file, "--node", ICX, "--firecracker"];
    expect((await run([...check, "1.13.0"])).status).toBe(0);
    expect((await run([...check, "1.15.0"])).status).toBe(1);
    expect((await run([...check, "9.9"])).status).toBe(2);
  });

  test("a contract that was changed by hand is refused", async () => {
    const file = await contractFile([ICX]);
    writeFileSync(file, readFileSync(file, "utf8").replace('"0x000606a6"', '"0x00050657"'));
    const { status, stderr } = await run(["check", "--snapshot", file, "--node", ICX]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("changed after it was written")]);
  });

  test("bad input is exit code 2", async () => {
    expect((await run(["check", "--node", ICX])).status).toBe(2);
    expect((await run(["check", "--snapshot", ICX, "--node", ICX])).stderr).toContain(
      "not a snapshot's",
    );
    expect((await run(["check", "--snapshot", await contractFile([ICX])])).status).toBe(2);
  });
});

describe("evenkeel matrix", () => {
  const pool = ["6130", "6230-a", "6330-a", "6430"].map(
    (sku) => `examples/intel-pool/xeon-gold-${sku}.json`,
  );

  test("a grid of all ordered pairs; exit code 1 where one is not compatible", async () => {
    const { status, stdout } = await run(["matrix", ...pool]);
    expect(status).toBe(1);
    expect(stdout).toContain("of 16 ordered pairs are compatible");
    expect((await run(["matrix", ...pool, "--plan", await planned(...pool)])).status).toBe(0);
  });

  test("a certificate holds when re-checked, until something changes", async () => {
    const directory = temporaryDirectory();
    const cert = join(directory, "cert.json");
    const copies = [CLX, ICX].map((file, i) => {
      const copy = join(directory, `${i}.json`);
      writeFileSync(copy, readFileSync(join(ROOT, file)));
      return copy;
    });
    await run(["matrix", ...copies, "--cpu-template", "T2CL", "--cert", cert]);
    const proven = await run(["matrix", "--verify", cert]);
    expect([proven.status, proven.stdout]).toEqual([
      0,
      "Re-checked: 4 verdicts from 2 profiles are the same.\n",
    ]);

    const text = readFileSync(cert, "utf8");
    writeFileSync(cert, text.replace('"verdict": "insecure"', '"verdict": "compatible"'));
    expect(await run(["matrix", "--verify", cert])).toMatchObject({ status: 1 });

    writeFileSync(cert, text);
    const [first = ""] = copies;
    writeFileSync(
      first,
      readFileSync(first, "utf8").replace("0x0000b1f7", "0x0000b1f7").replace('"6.8.', '"6.9.'),
    );
    const { status, stdout } = await run(["matrix", "--verify", cert, "--json"]);
    expect(status).toBe(1);
    expect((JSON.parse(stdout) as { disagreements: string[] }).disagreements[0]).toContain(
      "0.json",
    );
  });

  test("bad input is exit code 2 and writes nothing", async () => {
    const cert = join(temporaryDirectory(), "cert.json");
    expect((await run(["matrix", "nowhere.json", "--cert", cert])).status).toBe(2);
    expect(existsSync(cert)).toBe(false);
    expect((await run(["matrix"])).status).toBe(2);
    expect((await run(["matrix", "--verify", CLX])).stderr).toContain("not a matrix certificate");
  });
});

describe("evenkeel lint", () => {
  interface LintJson {
    results: { node: string; findings: { rule: string; severity: string; fix: string }[] }[];
  }
  const lint = async (args: readonly string[]) => {
    const { status, stdout } = await run(["lint", ...args, "--json"]);
    const { results } = JSON.parse(stdout) as LintJson;
    return {
      status,
      rules: results.map(({ findings }) => findings.map((f) => `${f.severity} ${f.rule}`)),
    };
  };

  test("a plan's template is fine on its class and fatal on another", async () => {
    const out = await planned(CLX, ICX);
    const { classes } = JSON.parse(readFileSync(join(out, "plan.json"), "utf8")) as {
      classes: { template: string }[];
    };
    const template = join(out, classes[0]?.template ?? "");
    expect(await lint([template, "--node", CLX])).toEqual({ status: 0, rules: [[]] });
    const { status, rules } = await lint([template, "--node", ICX]);
    expect(status).toBe(1);
    expect(rules[0]).toContain("error missing-entry");
  });

  test("a built-in template by name: models, versions, deprecation", async () => {
    const spr = "examples/intel-pool/xeon-gold-6430.json";
    expect(await lint(["T2CL", "--node", spr, "--firecracker", "1.11"])).toMatchObject({
      status: 0,
    });
    const { status, rules } = await lint(["T2S", "--node", ICX, "--firecracker", "1.12"]);
    expect(status).toBe(1);
    expect(rules[0]).toEqual(
      expect.arrayContaining(["error static-model", "note deprecated", "note identity"]),
    );
  });

  test("what it sets, hides and breaks", async () => {
    const file = join(temporaryDirectory(), "template.json");
    const modifier = (leaf: string, subleaf: string, register: string, bitmap: string) => ({
      leaf,
      subleaf,
      flags: leaf === "0x1" ? 0 : 1,
      modifiers: [{ register, bitmap }],
    });
    writeFileSync(
      file,
      JSON.stringify({
        cpuid_modifiers: [
          modifier("0x7", "0x0", "ebx", "0b1xxxxxxxx0xxxxx"), // sets MPX, hides AVX2
          modifier("0xd", "0x0", "ecx", "0b0".padEnd(34, "0")),
          modifier("0x1", "0x0", "eax", "0b00000000000010000000011011111000"), // Sapphire Rapids
        ],
        msr_modifiers: [{ addr: "0x10a", bitmap: "0b0xxxxxxxxxxxxxxxxx" }], // hides FB_CLEAR
      }),
    );
    const { status, rules } = await lint([file, "--node", ICX]);
    expect(status).toBe(1);
    expect(rules[0]).toEqual(
      expect.arrayContaining([
        "error unbacked",
        "error hidden-weakness",
        "warning dependency",
        "error identity",
      ]),
    );
  });

  test("a plan: each node by its own template", async () => {
    const out = await planned(CLX, ICX);
    expect(await lint([out, "--node", CLX, ICX])).toEqual({
      status: 0,
      rules: [[], ["note identity"]],
    });
    const other = await run(["lint", await planned(ICX), "--node", CLX]);
    expect([other.status, other.stderr]).toEqual([
      1,
      expect.stringContaining("no class that matches"),
    ]);
  });

  test("what no row names has a number, and a template for aarch64 is none for x86", async () => {
    expect(await lint(["V1N1", "--node", ICX])).toEqual({
      status: 1,
      rules: [["error architecture"]],
    });
  });

  test("bad input is exit code 2", async () => {
    expect((await run(["lint", "T2CL"])).status).toBe(2);
    expect((await run(["lint", "T9", "--node", ICX])).status).toBe(2);
    expect((await run(["lint", CLX, "--node", ICX])).stderr).toContain("not a CPU template");
  });
});
