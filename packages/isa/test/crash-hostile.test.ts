/** Damaged and hostile reports: an error that names the place, never anything else. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOf, explainBytes, explainCore, explainCrash, IsaError } from "../src/index.ts";
import { ElfError } from "../src/elf/errors.ts";
import { smallCore } from "./make-core.ts";

test("a small core is read whole", () => {
  const [crash] = explainCore(bytesOf(smallCore())).crashes;
  expect(crash?.crash).toMatchObject({ file: "app", ip: "0x7f0000001000", pids: [2562] });
  expect(crash?.instruction?.text).toBe("vpermi2b zmm0, zmm0, zmm1");
});

function isLocated(error: unknown): error is IsaError | ElfError {
  const known = error instanceof IsaError || error instanceof ElfError;
  return known && error.exitCode === 2 && /^[^:]+: ./.test(error.message);
}

/** What reading a damaged core comes to: an explanation, or an error with a place. */
function outcome(bytes: Buffer): string {
  try {
    return explainCore(bytesOf(bytes)).crashes[0]?.cause ?? "nothing";
  } catch (error) {
    if (isLocated(error)) return error.code;
    throw error;
  }
}

test("a core that ends anywhere gives a located error or says what it lacks", () => {
  const whole = smallCore();
  const outcomes = new Set(
    Array.from({ length: whole.length }, (_, length) => outcome(whole.subarray(0, length))),
  );
  expect([...outcomes].toSorted()).toEqual([
    "BAD_CORE",
    "BAD_ELF",
    "NOT_ELF",
    "cut-short",
    "needs-feature",
    "no-bytes",
  ]);
});

test("a core with damaged bytes never does anything else", () => {
  const whole = smallCore();
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(damage, (changes) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      expect(outcome(bytes)).toBeTruthy();
    }),
    { numRuns: 500 },
  );
});

test.each([0xffff_ffff_ffff_ffffn, 0x7fff_ffff_ffff_ffffn, 1n << 40n])(
  "a core that says it has %s mapped files",
  (count) => {
    expect(outcome(smallCore({ files: count }))).toBeTruthy();
  },
);

test("a core says where it is damaged", () => {
  const whole = smallCore();
  expect(() => explainCore(bytesOf(whole.subarray(0, 200)))).toThrow(
    "note segment: bytes 176 to 604 are outside the file of 200 bytes",
  );
  whole.writeUInt16LE(2, 16);
  expect(() => explainCore(bytesOf(whole))).toThrow("this is no core but executable code");
  whole.writeUInt16LE(4, 16);
  whole.writeUInt16LE(183, 18);
  expect(() => explainCore(bytesOf(whole))).toThrow("a core of aarch64, but only x86-64 is read");
});

test("any text is read without an error", () => {
  const pieces = fc.constantFrom(
    "traps: ",
    "node",
    "[",
    "]",
    "2562",
    " trap invalid opcode",
    " ip:",
    " sp:",
    " error:0",
    " in ",
    "257c2dd",
    "+",
    ",",
    "\n",
    "Code: ",
    "<62>",
    " f2",
    "PID: 1 (x)",
    "#0 0x1 a (b + 0x2)",
    "invalid opcode: 0000 [#1]",
    "RIP: 0010:",
    "SIGILL",
    " segfault at ",
    "(deleted)",
    "ffffffffffffffff",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 40 }), (parts) => {
      const { crashes } = explainCrash(parts.join(""));
      expect(crashes.every(({ happened }) => happened.length > 0)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("any bytes are explained", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 32 }), (bytes) => {
      const [crash] = explainBytes(Buffer.from(bytes).toString("hex")).crashes;
      expect(crash?.happened.length).toBeGreaterThan(0);
    }),
    { numRuns: 500 },
  );
});

test("one endless line, and lines without end", () => {
  const endless = `${"traps: ".repeat(200_000)}[1] trap invalid opcode`;
  expect(explainCrash(endless).crashes).toEqual([]);
  const line = (i: number) =>
    `traps: app[${i}] trap invalid opcode ip:4${(i % 7).toString(16)}0 sp:1 error:0 in app[400+1000]`;
  const { crashes } = explainCrash(Array.from({ length: 100_000 }, (_, i) => line(i)).join("\n"));
  expect(crashes.map(({ crash }) => crash.count).reduce((a, b) => a + b)).toBe(100_000);
  expect(crashes).toHaveLength(7);
  expect(crashes.every(({ crash }) => crash.pids.length <= 20)).toBe(true);
});
