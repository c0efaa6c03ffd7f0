import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CLX, evenkeel, ICX, ROOT, run, temporaryDirectory } from "./run.ts";

describe("evenkeel show", () => {
  test("a profile in names, from a file or from standard input", async () => {
    const { status, stdout } = await run(["show", CLX]);
    expect(status).toBe(0);
    expect(stdout).toContain("Cascade Lake (6/85/7)");
    expect(stdout).toContain("AVX512_VNNI");
    expect(evenkeel(["show", "-"], readFileSync(join(ROOT, CLX))).stdout).toBe(stdout);
  });

  test("every field with its address", async () => {
    const { stdout } = await run(["show", CLX, "--fields"]);
    expect(stdout).toMatch(/^MSR 10AH\[19\] +RRSBA +1 +union/m);
    expect(stdout).toMatch(/^CPUID\.\(EAX=07H,ECX=0\):EBX\[16\] +AVX512F +1 +feature/m);
  });

  test("a plan and a template", async () => {
    const out = join(temporaryDirectory(), "out");
    const plan = JSON.parse((await run(["plan", CLX, ICX, "-o", out, "--json"])).stdout) as {
      classes: { template: string }[];
    };
    expect((await run(["show", join(out, "plan.json")])).stdout).toContain("x86-64-v4");
    const template = await run(["show", join(out, plan.classes[1]?.template ?? "")]);
    expect(template.stdout).toMatch(/AVX512_VBMI2 +hidden/);
    expect(template.stdout).toMatch(/RRSBA +set/);
    expect(template.stdout).not.toContain("warning");
  });

  test("--json has the fields as data", async () => {
    const { stdout } = await run(["show", CLX, "--json"]);
    const { kind, fields } = JSON.parse(stdout) as { kind: string; fields: object[] };
    expect(kind).toBe("profile");
    expect(fields).toContainEqual(expect.objectContaining({ name: "RRSBA", value: "0x1" }));
  });
});

describe("evenkeel diff", () => {
  test("exit code 1 and both values where something differs", async () => {
    const { status, stdout } = await run(["diff", CLX, ICX]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^CPUID\.\(EAX=07H,ECX=0\):ECX\[6\] +AVX512_VBMI2 +0 +1 /m);
    expect(stdout).toMatch(/^MSR 10AH\[19\] +RRSBA +1 +0 /m);
  });

  test("exit code 0 where nothing does", async () => {
    expect(await run(["diff", CLX, CLX])).toMatchObject({ status: 0, stdout: "No differences.\n" });
  });

  test("a profile against a plan: what its guests lose", async () => {
    const out = join(temporaryDirectory(), "out");
    await run(["plan", CLX, ICX, "-o", out]);
    const { stdout } = await run(["diff", ICX, join(out, "plan.json"), "--json"]);
    const { differences } = JSON.parse(stdout) as { differences: { name: string; b?: string }[] };
    expect(differences.find(({ name }) => name === "GFNI")).toMatchObject({ a: "1" });
  });

  test("things of two kinds cannot be compared", async () => {
    const directory = temporaryDirectory();
    await run(["plan", CLX, "-o", directory]);
    const plan = JSON.parse(readFileSync(join(directory, "plan.json"), "utf8")) as {
      classes: { template: string }[];
    };
    const template = join(directory, plan.classes[0]?.template ?? "");
    expect(await run(["diff", CLX, template])).toMatchObject({ status: 2 });
  });
});

test("--help lists the commands and exits with 0", async () => {
  const { status, stdout } = await run(["--help"]);
  expect(status).toBe(0);
  for (const command of ["plan", "show", "diff"]) expect(stdout).toContain(command);
});
