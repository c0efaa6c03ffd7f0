/** ELF files are read as they are, and damaged ones say where they are damaged. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOf, openBytes, withBytes } from "../src/elf/bytes.ts";
import { ElfError } from "../src/elf/errors.ts";
import { addressOfOffset, bytesAtAddress, readElf } from "../src/elf/file.ts";
import { readFrames } from "../src/elf/frames.ts";
import { readNotes } from "../src/elf/notes.ts";
import { hexAddress } from "../src/elf/numbers.ts";
import { nearestSymbol, readSymbols } from "../src/elf/symbols.ts";
import { scanSource } from "../src/scan/scan-file.ts";
import { AVX512_CODE, makeElf, PLAIN_CODE } from "./make-elf.ts";
import { hasTool, run, temporaryDirectory } from "./tools.ts";

const NODE = process.execPath;

test("a program made by hand has its function, symbol and bytes", () => {
  const { bytes, entry } = makeElf(PLAIN_CODE);
  const elf = readElf(bytesOf(bytes));
  expect(elf.problems).toEqual([]);
  expect(elf.header).toMatchObject({ type: "executable", machine: "x86-64", entry });
  expect(elf.sections.map(({ name }) => name)).toContain(".text");
  expect(nearestSymbol(readSymbols(elf), entry + 2)).toMatchObject({
    symbol: { name: "f", kind: "function", size: PLAIN_CODE.length },
    offset: 2,
  });
  expect(nearestSymbol(readSymbols(elf), entry + PLAIN_CODE.length)).toBeUndefined();
  expect(bytesAtAddress(elf, entry, PLAIN_CODE.length, "code")).toEqual(PLAIN_CODE);
  expect(addressOfOffset(elf, entry - 0x40_0000)).toBe(entry);
  expect(hexAddress(entry)).toBe(`0x${entry.toString(16)}`);
});

test("addresses of kernels are exact", () => {
  expect(hexAddress(Number(BigInt.asIntN(64, 0xffff_ffff_8100_1234n)))).toBe("0xffffffff81001234");
});

test.runIf(hasTool("readelf"))("tables of Node's own executable are those of readelf", () => {
  withBytes(NODE, (source) => {
    const elf = readElf(source);
    const header = run("readelf", ["-h", NODE]);
    const number = (label: string) => Number(new RegExp(`${label}: +(\\S+)`).exec(header)?.[1]);
    expect(elf.header.entry).toBe(number("Entry point address"));
    expect(elf.segments.length).toBe(number("Number of program headers"));
    expect(elf.sections.length).toBe(number("Number of section headers"));
    const id = /Build ID: ([\da-f]+)/.exec(run("readelf", ["-nW", NODE]))?.[1];
    const note = readNotes(elf).find(({ name, type }) => name === "GNU" && type === 3);
    expect(note?.bytes.toString("hex")).toBe(id);
  });
});

test.runIf(hasTool("readelf"))("functions' bounds are those that readelf shows", () => {
  const frames = run("readelf", ["--debug-dump=frames", "/bin/sh"]).match(/ FDE .*pc=\S+/g) ?? [];
  const theirs = frames.map((line) => {
    const [, from = "", to = ""] = /pc=([\da-f]+)\.\.([\da-f]+)/.exec(line) ?? [];
    return { start: Number.parseInt(from, 16), end: Number.parseInt(to, 16) };
  });
  expect(theirs.length).toBeGreaterThan(50);
  expect(withBytes("/bin/sh", (source) => readFrames(readElf(source)))).toEqual(theirs);
});

test("a file that is cut short anywhere is read as far as it goes, or says where it ends", () => {
  const { bytes } = makeElf(AVX512_CODE);
  for (let length = 0; length < bytes.length; length++) {
    const [result] = scanSource("cut", bytesOf(bytes.subarray(0, length)));
    // Less than the magic number is not known to be ELF.
    expect(result?.status === "ignored").toBe(length < 4);
    const said = result?.status === "ignored" ? "outside the file" : JSON.stringify(result);
    expect(said).toContain("outside the file");
  }
});

test("no change of bytes makes the reader throw anything but its own error", () => {
  const { bytes } = makeElf(AVX512_CODE);
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  const check = fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
    const damaged = Buffer.from(bytes);
    for (const [at, value] of changes) damaged[at] = value;
    expect(["scanned", "unread", "skipped", "ignored"]).toContain(
      scanSource("damaged", bytesOf(damaged))[0]?.status,
    );
  });
  fc.assert(check, { numRuns: 2000 });
});

test("a segment of data that is said to be larger than any file is one problem", () => {
  const damaged = Buffer.from(makeElf(AVX512_CODE).bytes);
  // Readable and writable instead of executable, of 1 TiB.
  damaged.writeUInt32LE(6, 64 + 4);
  damaged.writeBigUInt64LE(2n ** 40n, 64 + 32);
  const [result] = scanSource("large", bytesOf(damaged));
  expect(JSON.stringify(result).match(/data segment: bytes/g)).toHaveLength(1);
});

test("tables outside the file are named", () => {
  const { bytes } = makeElf(AVX512_CODE);
  const section = Buffer.from(bytes);
  section.writeBigUInt64LE(0xffff_ffff_0000n, 40);
  expect(readElf(bytesOf(section)).problems).toMatchObject([{ where: "section header 0" }]);
  const huge = Buffer.from(bytes);
  huge.writeBigUInt64LE(2n ** 63n, 32);
  expect(() => readElf(bytesOf(huge))).toThrow(ElfError);
});

test("a sparse file of 4 GiB that says that all of it is code costs nothing", () => {
  const { bytes, sections } = makeElf(AVX512_CODE);
  const size = 4 * 1024 ** 3;
  const path = join(temporaryDirectory(), "sparse");
  const damaged = Buffer.from(bytes);
  // .text is said to reach from its start to the end of the file.
  damaged.writeBigUInt64LE(BigInt(size - 4096), sections + 64 + 32);
  const fd = openSync(path, "w");
  writeSync(fd, damaged);
  ftruncateSync(fd, size);
  closeSync(fd);
  const file = openBytes(path);
  const [result] = scanSource("sparse", file);
  file.close();
  expect(result).toMatchObject({ status: "unread", unread: { name: "sparse" } });
  expect(JSON.stringify(result)).toMatch(/more than the limit/);
});

test("a chain of functions that none but the one before leads to is given up, and counted", () => {
  // call the next one; ret
  const link = Buffer.from("e801000000c3", "hex");
  const chain = Buffer.concat(Array.from({ length: 50_000 }, () => link));
  const { bytes } = makeElf(chain, link.length);
  const [result] = scanSource("chain", bytesOf(bytes));
  const { code } = result?.status === "scanned" ? result.scan : { code: undefined };
  expect(code?.functions).toBeLessThan(1000);
  expect(code?.unread).toBeGreaterThan(chain.length / 2);
});

test("code behind padding that nothing leads to is doubtful; data there is no finding", () => {
  // call *%rax; ret
  const start = Buffer.from("ffd0c3", "hex");
  // vpcompressb %zmm0, %zmm1{%k1}; vpopcntb %zmm0, %zmm1; ret
  const hidden = Buffer.from("62f27d4963c162f27d4854c8c3", "hex");
  for (const padding of [0xcc, 0]) {
    for (const rest of [hidden, Buffer.concat([Buffer.alloc(80, 6), Buffer.alloc(8), hidden])]) {
      const code = Buffer.concat([start, Buffer.alloc(64, padding), rest]);
      // As a function of its own, and inside one with bounds.
      for (const size of [start.length, code.length]) {
        const [result] = scanSource("hidden", bytesOf(makeElf(code, size).bytes));
        const scan = result?.status === "scanned" ? result.scan : undefined;
        expect(scan?.features.map(({ feature, sure }) => `${feature} ${sure}`)).toEqual([
          expect.stringMatching(/^AVX512_BITALG (?:likely|doubtful)$/),
          expect.stringMatching(/^AVX512_VBMI2 (?:likely|doubtful)$/),
        ]);
      }
    }
  }
  const data = Buffer.concat([
    start,
    Buffer.alloc(64, 0xcc),
    hidden.subarray(0, 12),
    Buffer.alloc(99, 6),
  ]);
  const [result] = scanSource("data", bytesOf(makeElf(data, start.length).bytes));
  expect(result?.status === "scanned" && result.scan.features).toEqual([]);
});

test("an instruction that is not known is said to be there, even as the last one", () => {
  // A REX2 prefix, of APX: newer than the decoder. Then INVALID in 64-bit mode.
  for (const hex of ["31c0d51858c0c3", "31c006"]) {
    const { bytes, entry } = makeElf(Buffer.from(hex, "hex"));
    const [result] = scanSource("new", bytesOf(bytes));
    const code = result?.status === "scanned" ? result.scan.code : undefined;
    expect(code).toMatchObject({ unknown: 1, unknownAt: hexAddress(entry + 2) });
  }
});

test("files for other machines are named, not read", () => {
  const { bytes } = makeElf(PLAIN_CODE);
  const arm = Buffer.from(bytes);
  arm.writeUInt16LE(183, 18);
  expect(scanSource("arm", bytesOf(arm))).toEqual([
    { status: "skipped", skipped: { name: "arm", reason: "made for aarch64" } },
  ]);
  const small = Buffer.from(bytes);
  small[4] = 1;
  small.writeUInt16LE(3, 18);
  expect(JSON.stringify(scanSource("small", bytesOf(small)))).toMatch(/x86 \(32 bits\)/);
});
