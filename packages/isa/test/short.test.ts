/** The short decoder agrees with iced wherever it answers. */
import { Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic } from "iced-x86";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openBytes } from "../src/elf/bytes.ts";
import { readElf } from "../src/elf/file.ts";
import { decodeShort, NO_REGISTER, RIP, short } from "../src/code/short.ts";
import { needsOf } from "../src/code/needs.ts";
import { layoutOf } from "../src/scan/regions.ts";

const needing = new Map<number, boolean>();

function needs(code: number): boolean {
  const known = needing.get(code) ?? needsOf(code).length > 0;
  needing.set(code, known);
  return known;
}

/** What is wrong with the short decoder's answer at an offset; undefined where nothing is. */
function disagreement(bytes: Buffer, at: number, decoder: Decoder, iced: Instruction) {
  const length = decodeShort(bytes, at);
  if (length === 0) return undefined;
  decoder.position = at;
  decoder.decodeOut(iced);
  if (iced.length !== length) return `length ${length}, not ${iced.length}`;
  if (needs(iced.code)) return "needs features";
  if (iced.isPrivileged) return "privileged";
  if (short.memory) {
    if (iced.isIpRelMemoryOperand !== (short.base === RIP)) return "relative to RIP";
    if (iced.memoryIndexScale !== short.scale && short.index !== NO_REGISTER) return "scale";
    const named = Number(iced.memoryDisplacement & 0xffff_ffffn);
    const own = short.base === RIP ? iced.nextIP32 + short.displacement : short.displacement;
    if (named !== own >>> 0) return `displacement ${short.displacement}`;
  }
  const near = iced.isCallNear || iced.isJmpShortOrNear || iced.isJccShortOrNear;
  const ends = iced.flowControl !== FlowControl.Next && !near;
  const known = [0xc2, 0xc3, 0xff, 0x105].includes(short.opcode);
  if (ends && !known && iced.mnemonic !== Mnemonic.Nop) return "control flow";
  const [target, own] = [Number(iced.nearBranchTarget & 0xffff_ffffn), short.target - at - length];
  if (near && target !== (iced.nextIP32 + own) >>> 0) return "target";
  return undefined;
}

function compare(bytes: Buffer, offsets: (length: number, at: number) => number) {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  const iced = new Instruction();
  let [answered, asked] = [0, 0];
  const wrong: string[] = [];
  try {
    for (let at = 0; at < bytes.length && wrong.length < 5;) {
      const what = disagreement(bytes, at, decoder, iced);
      const length = decodeShort(bytes, at);
      if (what !== undefined) wrong.push(`${bytes.toString("hex", at, at + 16)}: ${what}`);
      asked += 1;
      if (length > 0) answered += 1;
      at = offsets(length, at);
    }
  } finally {
    iced.free();
    decoder.free();
  }
  return { wrong, share: answered / asked };
}

test("it agrees on random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 4096 }), (random) => {
      expect(compare(Buffer.from(random), (_, at) => at + 1).wrong).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test("it agrees on every two bytes of opcode, under every prefix", () => {
  const starts = ["", "66", "f3", "f2", "48", "66 41", "f3 4f", "2e", "64"];
  const tails = ["c0 11 22 33", "05 44 33 22 11", "04 25 44 33 22 11", "fa 90", "7c f5 80"];
  const parts: string[] = [];
  for (const start of starts) {
    for (const tail of tails) {
      for (let opcode = 0; opcode < 512; opcode++) {
        const hex = (opcode & 0xff).toString(16).padStart(2, "0");
        const code = `${start} ${opcode > 255 ? "0f" : ""} ${hex} ${tail}`.replaceAll(" ", "");
        parts.push(code.padEnd(48, "9"));
      }
    }
  }
  const bytes = Buffer.from(parts.join(""), "hex");
  expect(compare(bytes, (_, at) => at + 24).wrong).toEqual([]);
});

test("it agrees on Node's own code, and knows nearly all of it", () => {
  const file = openBytes(process.execPath);
  const text = layoutOf(readElf(file)).regions.find(({ name }) => name === ".text");
  file.close();
  const bytes = text?.bytes.subarray(0, 2 << 20) ?? Buffer.alloc(0);
  const { wrong, share } = compare(bytes, (length, at) => at + (length === 0 ? 1 : length));
  expect(wrong).toEqual([]);
  expect(share).toBeGreaterThan(0.8);
});
