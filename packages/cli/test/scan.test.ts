/** `evenkeel scan` as a user runs it. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { tarOf } from "../../isa/test/make-archive.ts";
import { AVX512_CODE, makeElf, PLAIN_CODE } from "../../isa/test/make-elf.ts";
import { CLX, ICX, ROOT, run, temporaryDirectory } from "./run.ts";

const NEEDY = makeElf(AVX512_CODE).bytes;
/** vpshldvd %zmm1, %zmm2, %zmm3; ret: AVX512_VBMI2 */
const VBMI2 = makeElf(Buffer.from("62f26d4871d9c3", "hex")).bytes;
const PLAIN = makeElf(PLAIN_CODE).bytes;
/** A program of 32 bits: x86-64 machines run it too. */
const OLD = Buffer.from(PLAIN);
OLD[4] = 1;
OLD.writeUInt16LE(3, 18);

function tree(files: Readonly<Record<string, Buffer>>): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "tree"));
  for (const [name, bytes] of Object.entries(files)) {
    writeFileSync(join(directory, "tree", name), bytes);
  }
  return join(directory, "tree");
}

test("a directory: what each file can use, and nothing to judge without a pool", async () => {
  const path = tree({ needy: NEEDY, plain: PLAIN, text: Buffer.from("text") });
  const { status, stdout, stderr } = await run(["scan", path]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toContain("2 files with 1 KiB of machine code");
  expect(stdout).toMatch(/AVX512F +always +certain +1 +1 +f/);
  expect(stdout.split("\n").every((line) => line.length <= 80)).toBe(true);
});

test("nodes: exit code 1 where a file would die, with the nodes that lack the feature", async () => {
  const path = tree({ "in-both": NEEDY, "in-one": VBMI2 });
  const { status, stdout } = await run(["scan", path, "--node", CLX, ICX]);
  expect(status).toBe(1);
  expect(stdout).toMatch(/in-one +will die +AVX512_VBMI2/);
  expect(stdout).toMatch(/in-both +fine$/m);
  expect(stdout.replaceAll(/\s+/g, " ")).toContain("(not on xeon-silver-4216)");
  expect((await run(["scan", path, "--node", ICX])).status).toBe(0);
});

test("a plan: judged by its guest CPU, as JSON too", async () => {
  const out = join(temporaryDirectory(), "plan");
  expect((await run(["plan", CLX, ICX, "--out", out])).status).toBe(0);
  const path = tree({ "in-both": NEEDY, "in-one": VBMI2 });
  const { status, stdout } = await run(["scan", path, "--plan", out, "--json"]);
  expect(status).toBe(1);
  const { files, judgements, members } = JSON.parse(stdout);
  expect(members).toEqual(["plan"]);
  expect(files.map((file: { name: string }) => file.name)).toEqual([
    join(path, "in-both"),
    join(path, "in-one"),
  ]);
  expect(judgements.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
    "fine",
    "will die",
  ]);
});

test("code that only a computed call leads to is never called fine", async () => {
  const popcnt = Buffer.from("62f27d4854c8", "hex");
  const code = Buffer.concat([
    Buffer.from("ffd0", "hex"),
    Buffer.alloc(64, 0xcc),
    Buffer.from("62f27d4963c1", "hex"),
    ...Array.from({ length: 200 }, () => popcnt),
  ]);
  const path = tree({ hidden: makeElf(code, 2).bytes });
  const { status, stdout } = await run(["scan", path, "--node", CLX]);
  const text = stdout.replaceAll(/\s+/g, " ");
  expect(status).toBe(1);
  expect(text).toMatch(/2 KiB of machine code, \d+\.\d% of it read/);
  expect(text).toContain("2 KiB of code, 2 KiB of it not read");
  expect(text).toMatch(/unknown AVX512_BITALG AVX512_VBMI2: no known code leads to these bytes/);
  expect(text).toMatch(/unknown \d+% of the code was not read/);
});

test("an image that is cut short is exit code 2, and what was read is shown", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "it.tar");
  const bytes = tarOf([
    { path: "a", bytes: NEEDY },
    { path: "b", bytes: NEEDY },
  ]);
  writeFileSync(path, bytes.subarray(0, NEEDY.length + 2048));
  const { status, stdout } = await run(["scan", path]);
  expect(status).toBe(2);
  expect(stdout).toContain("it.tar!/a");
  expect(stdout.replaceAll(/\s+/g, " ")).toContain("cut short");
});

test("what was not read is unknown: counted first, exit code 1 in a pool, and may be allowed", async () => {
  const path = tree({ plain: PLAIN, old: OLD });
  const inPool = await run(["scan", path, "--node", CLX]);
  expect(inPool.status).toBe(1);
  expect(inPool.stdout.split("\n").slice(0, 2)).toEqual([
    "Unknown: 1 thing was not read, or not completely.",
    "1 file with 1 KiB of machine code, all of it read; 0 can use more than the",
  ]);
  expect(inPool.stdout.replaceAll(/\s+/g, " ")).toContain(
    "old: made for x86 (32 bits), which is not read",
  );
  expect((await run(["scan", path])).status).toBe(2);
  expect((await run(["scan", path, "--node", CLX, "--allow-unread"])).status).toBe(0);
  const { unread } = JSON.parse((await run(["scan", path, "--json"])).stdout);
  expect(unread).toEqual([
    { name: join(path, "old"), reason: "made for x86 (32 bits), which is not read" },
  ]);
});

test("where nothing at all was read, exit code 2", async () => {
  const path = join(temporaryDirectory(), "it");
  for (const bytes of ["vhdxfile", "what is this?", "hsqs"]) {
    writeFileSync(path, Buffer.concat([Buffer.from(bytes), Buffer.alloc(4096)]));
    expect((await run(["scan", path, "--node", CLX])).status).toBe(2);
  }
});

test("a tool that is missing is named, with its package", () => {
  const path = join(temporaryDirectory(), "it.squashfs");
  writeFileSync(path, Buffer.concat([Buffer.from("hsqs"), Buffer.alloc(4096)]));
  const bin = join(ROOT, "packages/cli/bin/evenkeel.js");
  const env = { ...process.env, PATH: "/nonexistent" };
  const { status, stdout } = spawnSync(process.execPath, [bin, "scan", path], { env });
  expect(status).toBe(2);
  expect(stdout.toString().replaceAll(/\s+/g, " ")).toContain(
    "squashfs is read with unsquashfs: install squashfs-tools",
  );
});

test("symbols and names of files steer no terminal", async () => {
  const named = makeElf(AVX512_CODE, AVX512_CODE.length, "f\u001b[2J").bytes;
  const { stdout } = await run(["scan", tree({ "a\u001b[31mb": named, plain: PLAIN })]);
  expect(stdout).toContain("f\\x1b[2J");
  expect(stdout).toContain("a\\x1b[31mb");
  expect(stdout).not.toContain("\u001b");
});

test("a path that is not there is an error", async () => {
  const { status, stderr } = await run(["scan", "/no/such/file"]);
  expect(status).toBe(2);
  expect(stderr).toContain("no such file");
  const both = await run(["scan", ".", "--plan", "x", "--node", "y"]);
  expect(both.status).toBe(2);
});

test("Ctrl-C leaves nothing behind", async () => {
  const directory = temporaryDirectory();
  const temporary = join(directory, "temporary");
  mkdirSync(temporary);
  const entries = Array.from({ length: 4000 }, (_, i) => ({ path: `f${i}`, bytes: NEEDY }));
  writeFileSync(join(directory, "it.tgz"), gzipSync(tarOf(entries)));
  const bin = join(ROOT, "packages/cli/bin/evenkeel.js");
  const child = spawn(process.execPath, [bin, "scan", join(directory, "it.tgz")], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => child.on("close", (_code, signal) => resolve(signal)));
  while (readdirSync(temporary).length === 0) await new Promise((done) => setTimeout(done, 5));
  child.kill("SIGINT");
  expect(await ended).toBe("SIGINT");
  expect(readdirSync(temporary)).toEqual([]);
});
