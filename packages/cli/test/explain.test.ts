/** `evenkeel explain` as an operator runs it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CLX, evenkeel, ICX, ROOT, run, temporaryDirectory } from "./run.ts";

const VBMI = ["--bytes", "62 f2 7d 48 75 c1"];
const NODE_LINE =
  "[ 12.3] traps: node[2562] trap invalid opcode ip:257c2dd sp:7fffbf87f9c0 error:0 in node[e33000+2489000]\n";

async function contract(directory: string): Promise<string> {
  const file = join(directory, "contract.json");
  const args = ["contract", ICX, "--firecracker", "1.14.1", "--out", file];
  expect((await run(args)).status).toBe(0);
  return file;
}

test("built on one node, resumed on another: the answer is the one that docs/explain.md shows", async () => {
  const shown = /```text\n\$ evenkeel explain --bytes.*\n.*\n([\s\S]*?)```/.exec(
    readFileSync(join(ROOT, "docs/explain.md"), "utf8"),
  )?.[1];
  const file = await contract(temporaryDirectory());
  const { status, stdout } = await run([
    "explain",
    ...VBMI,
    "--snapshot",
    file,
    "--node",
    CLX,
    ICX,
  ]);
  expect([status, stdout]).toEqual([0, shown]);
  expect(stdout.split("\n").every((line) => line.length <= 80)).toBe(true);
});

test("the plan of the pool says that the snapshot is not its own", async () => {
  const directory = temporaryDirectory();
  const plan = join(directory, "plan");
  expect((await run(["plan", CLX, ICX, "--out", plan])).status).toBe(0);
  const outcome = await run([
    "explain",
    ...VBMI,
    "--snapshot",
    await contract(directory),
    "--plan",
    plan,
  ]);
  expect(outcome.status).toBe(0);
  expect(outcome.stdout).toContain("lack it       1 class: cascade-lake-");
  expect(outcome.stdout).toContain("The plan hides AVX512_VBMI from guests");
});

test("a line of the kernel without its binary says what it needs, and exits with 1", () => {
  const { status, stdout } = evenkeel(["explain", "-"], NODE_LINE);
  expect(status).toBe(1);
  expect(stdout).toMatchInlineSnapshot(`
    "node[2562]: trap invalid opcode in node at 0x257c2dd
      reported by   kernel log, line 1

    What happened
      An instruction of node was an invalid opcode. The report says where it is, but
      not what it is.

    To say more, give
      The file node, the exact build that ran (0x2489000 bytes of code at 0xe33000):
      --binary PATH/node
      Or a core file of the process, or the instruction's bytes: --bytes '62 f2 …'
    "
  `);
});

test("several crashes have an overview first, other faults come last", () => {
  const log = [
    "x[1]: segfault at 0 ip 40 sp 50 error 4 in x[40+10]",
    NODE_LINE,
    "traps: app[7] trap invalid opcode ip:401000 sp:7f error:0 in app[401000+1000]",
    "Code: 90 <0f> 0b",
    NODE_LINE.replace("2562", "2563"),
  ].join("\n");
  const { stdout } = evenkeel(["explain", "-"], log);
  expect(stdout).toMatchInlineSnapshot(`
    "2 different crashes
      node (2 times): an invalid opcode in node at 0x257c2dd; the report does not
      say which instruction
      app[7]: UD2: it stopped itself on purpose

    node: trap invalid opcode in node at 0x257c2dd
      reported by   kernel log, lines 2 to 6: 2 times (pids 2562, 2563)

    What happened
      An instruction of node was an invalid opcode. The report says where it is, but
      not what it is.

    To say more, give
      The file node, the exact build that ran (0x2489000 bytes of code at 0xe33000):
      --binary PATH/node
      Or a core file of the process, or the instruction's bytes: --bytes '62 f2 …'

    app[7]: trap invalid opcode in app at 0x401000
      reported by   kernel log, line 4
      instruction   ud2
                    0f 0b

    What happened
      UD2 faults on every CPU: an assertion, a panic that aborts (Rust, V8, Go), a
      check of UBSan or CFI, __builtin_trap(). The program stopped itself on
      purpose.
      This is not a matter of CPU features, unless its message says so.

    Now
      What it wrote to its log or stderr just before says why.

    Other faults, not invalid opcodes
      x[1]: segfault at 0x0 error 4
    "
  `);
});

test("--json prints the same as an object", async () => {
  const { status, stdout } = await run(["explain", ...VBMI, "--node", CLX, ICX, "--json"]);
  expect(status).toBe(0);
  const { crashes } = JSON.parse(stdout) as { crashes: Record<string, unknown>[] };
  expect(crashes).toHaveLength(1);
  expect(crashes[0]).toMatchObject({
    cause: "missing-feature",
    instruction: { text: "vpermi2b zmm0, zmm0, zmm1", mnemonic: "VPERMI2B", length: 6 },
    evidence: { holders: { of: "node", have: ["xeon-silver-4314"], lack: ["xeon-silver-4216"] } },
  });
});

test.each([
  ["no input", ["explain"], "", "USAGE", /give a log or a core file, or --bytes/],
  ["a file and bytes", ["explain", "x", ...VBMI], "", "USAGE", /or --bytes/],
  ["no bytes", ["explain", "--bytes", "xyz"], "", "BAD_BYTES", /"xyz" is not bytes/],
  ["no crash", ["explain", "-"], "all\nis well\n", "NO_CRASH", /no crash found in its 2 lines/],
  ["no such file", ["explain", "nowhere"], "", "UNREADABLE", /nowhere: no such file/],
  ["a directory", ["explain", "docs"], "", "DIRECTORY", /docs: is a directory/],
  ["no binary", ["explain", "-", "--binary", CLX], NODE_LINE, "NOT_ELF", /4216.json: ELF header/],
  ["an executable", ["explain", process.execPath], "", "BAD_CORE", /give it as --binary/],
  ["a profile", ["explain", ...VBMI, "--snapshot", CLX], "", "NOT_A_CONTRACT", /not a snapshot's/],
] as const)("%s is an error that says so", (_, args, input, code, message) => {
  const { status, stdout, stderr } = evenkeel([...args, "--json"], input);
  expect(status).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code } });
  expect(stderr).toMatch(message);
});

test("a compressed core is named as what it is", async () => {
  const file = join(temporaryDirectory(), "core.zst");
  writeFileSync(file, Buffer.from("28b52ffd00000000", "hex"));
  const { status, stderr } = await run(["explain", file]);
  expect(status).toBe(2);
  expect(stderr).toContain("core.zst: it is compressed with zstd");
});
