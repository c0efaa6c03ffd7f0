import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { CLX, run, temporaryDirectory } from "./run.ts";

/** A CPU of this project's making: the registers a plan cannot do without. */
function profile(name: string, isar0: string, midr: string): string {
  const registers = [
    ["c000", midr],
    ["c020", "0x111112"],
    ["c021", "0x10"],
    ["c028", "0x106"],
    ["c030", isar0],
    ["c031", "0x0"],
    ["c038", "0x1122"],
    ["c039", "0x100"],
    ["c03a", "0x0"],
  ].map(([id, value]) => ({ id: `0x603000000013${id}`, value }));
  return JSON.stringify({
    schema: "evenkeel/node-profile@1",
    name,
    host: { kernel: "6.1.0" },
    arch: "aarch64",
    view: "guest",
    registers,
  });
}

describe("aarch64", () => {
  let directory = "";
  let files: [string, string] = ["", ""];

  beforeEach(() => {
    directory = temporaryDirectory();
    files = [join(directory, "n1.json"), join(directory, "v1.json")];
    writeFileSync(files[0], profile("n1", "0x211120", "0x410fd0c0"));
    writeFileSync(files[1], profile("v1", "0x1000000100212120", "0x410fd400"));
  });

  test("plan writes a template per class and says what is given up", async () => {
    const out = join(directory, "out");
    const { status, stdout, stderr } = await run(["plan", ...files, "-o", out]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("2 nodes in 2 classes");
    expect(stdout).toMatch(/SHA2 2→1 SHA3 RNDR/);
    expect(stdout).toMatch(/MIDR_EL1 differs/);
    const plan = JSON.parse(readFileSync(join(out, "plan.json"), "utf8")) as {
      arch: string;
      guestCpu: { registers: { id: string; name: string; bitmap: string }[] };
    };
    expect(plan.arch).toBe("aarch64");
    expect(plan.guestCpu.registers).toContainEqual(
      expect.objectContaining({ id: "0x603000000013c030", name: "ID_AA64ISAR0_EL1" }),
    );
    const [, template = ""] = readdirSync(join(out, "templates")).toSorted();
    const text = readFileSync(join(out, "templates", template), "utf8");
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["reg_modifiers"]);
    expect((await run(["show", join(out, "templates", template)])).stdout).toMatch(/SHA3 +0/);
    expect((await run(["show", join(out, "plan.json")])).stdout).toContain("Atomic");
    expect((await run(["diff", files[1], join(out, "plan.json")])).stdout).toContain("RNDR");
  });

  test("show and diff print names", async () => {
    const shown = await run(["show", files[1]]);
    expect(shown.stdout).toContain("Neoverse V1 (MIDR 0x410fd400)");
    expect(shown.stdout).toContain("SHA3");
    const { status, stdout } = await run(["diff", ...files]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^ID_AA64ISAR0_EL1\[35:32\] +SHA3 +0 +1 +SHA3/m);
  });

  test("x86 and aarch64 are no pool, and cannot be compared", async () => {
    const mixed = await run(["plan", CLX, files[0]]);
    expect(mixed.status).toBe(1);
    expect(mixed.stderr.replaceAll(/\s+/g, " ")).toContain("between architectures");
    expect((await run(["diff", CLX, files[0]])).status).toBe(2);
  });
});
