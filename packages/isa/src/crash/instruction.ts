/** Bytes at an instruction pointer as an instruction. */
import { Decoder, DecoderError, Formatter, FormatterSyntax, Mnemonic } from "iced-x86";
import { requirementsOf, type Requirements } from "../features/requirements.ts";

/** No instruction is longer. */
export const LONGEST_INSTRUCTION = 15;

export interface DecodedInstruction {
  /** Intel's syntax: `vpermi2b zmm0, zmm0, zmm1`. */
  readonly text: string;
  /** Its bytes: `62 f2 7d 48 75 c1`. */
  readonly bytes: string;
  readonly length: number;
  /** In capitals, as the manuals write it. */
  readonly mnemonic: string;
  readonly requirements: Requirements;
}

/** `cut-short`: the bytes end within it; `invalid`: no instruction of any CPU known to iced. */
export type Decoded = DecodedInstruction | "cut-short" | "invalid";

function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Decodes the first instruction of some bytes in 64-bit mode; `ip` is for branch targets. */
export function decodeAt(bytes: Uint8Array, ip = 0): Decoded {
  const decoder = new Decoder(64, bytes.subarray(0, LONGEST_INSTRUCTION), 0);
  decoder.ip = BigInt.asUintN(64, BigInt(ip));
  const instruction = decoder.decode();
  const formatter = new Formatter(FormatterSyntax.Intel);
  try {
    if (instruction.isInvalid)
      return decoder.lastError === DecoderError.NoMoreBytes ? "cut-short" : "invalid";
    formatter.spaceAfterOperandSeparator = true;
    // PCLMULQDQ, as the manuals list it, rather than PCLMULHQLQDQ.
    formatter.usePseudoOps = false;
    return {
      text: formatter.format(instruction),
      bytes: hexBytes(bytes.subarray(0, instruction.length)),
      length: instruction.length,
      mnemonic: (Mnemonic[instruction.mnemonic] ?? "").toUpperCase(),
      requirements: requirementsOf(instruction.code),
    };
  } finally {
    formatter.free();
    instruction.free();
    decoder.free();
  }
}

/** Whether decoding from a function's start comes to an address; undefined where it loses its way. */
export function isBoundary(bytes: Uint8Array, offset: number): boolean | undefined {
  const decoder = new Decoder(64, bytes, 0);
  const instruction = decoder.decode();
  try {
    let at = 0;
    while (at < offset) {
      if (instruction.isInvalid) return undefined;
      at += instruction.length;
      if (at < offset) decoder.decodeOut(instruction);
    }
    return at === offset;
  } finally {
    instruction.free();
    decoder.free();
  }
}
