/** `evenkeel env` as an operator runs it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeElf, PLAIN_CODE } from "../../isa/test/make-elf.ts";
import { CLX, ICX, run, temporaryDirectory } from "./run.ts";

async function plan(...nodes: readonly string[]): Promise<string> {
  const out = join(temporaryDirectory(), "plan");
  expect((await run(["plan", ...nodes, "--out", out])).status).toBe(0);
  return out;
}

test("an environment file for a pool: comments with addresses, one variable a line", async () => {
  const { status, stdout } = await run(["env", "--plan", await plan(CLX, ICX)]);
  expect(status).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.every((line) => /^(?:#.*|[A-Za-z_0-9]+=[^"'\\]+|)$/.test(line))).toBe(true);
  expect(lines).toContain("SIMDUTF_FORCE_IMPLEMENTATION=haswell");
  expect(lines).toContain("JAVA_TOOL_OPTIONS=-XX:UseAVX=2 -XX:-UseSHA");
  expect(stdout).toContain("# OpenSSL: https://docs.openssl.org/master/man3/OPENSSL_ia32cap/");
  // Both have all of AVX-512 that glibc knows.
  expect(stdout).not.toContain("GLIBC_TUNABLES");
});

test("a pool of one kind of node needs nothing", async () => {
  const { status, stdout } = await run(["env", "--plan", await plan(ICX)]);
  expect([status, stdout]).toEqual([
    0,
    "# Every node of the plan shows guests the same features: nothing to set.\n",
  ]);
});

test("for a path: only what is there, and exit code 1 where something is not narrowed", async () => {
  const directory = join(temporaryDirectory(), "tree");
  mkdirSync(directory);
  writeFileSync(join(directory, "plain"), makeElf(PLAIN_CODE).bytes);
  const pool = await plan(CLX, ICX);
  const plain = await run(["env", "--plan", pool, "--for", directory, "--json"]);
  expect(plain.status).toBe(0);
  expect(JSON.parse(plain.stdout)).toMatchObject({ settings: [], left: [] });
  // vpshldvd %zmm1, %zmm2, %zmm3; ret: AVX512_VBMI2, which nothing asks for.
  const needy = makeElf(Buffer.from("62f26d4871d9c3", "hex")).bytes;
  writeFileSync(join(directory, "needy"), needy);
  const { status, stdout } = await run(["env", "--plan", pool, "--for", directory]);
  expect(status).toBe(1);
  expect(stdout).toContain("needy: uses AVX512_VBMI2 without asking");
});

test("a plan is needed, and the path must be there", async () => {
  expect((await run(["env"])).status).toBe(2);
  const { status, stderr } = await run([
    "env",
    "--plan",
    await plan(CLX, ICX),
    "--for",
    "/no/such",
  ]);
  expect(status).toBe(2);
  expect(stderr).toContain("/no/such: no such file");
});
