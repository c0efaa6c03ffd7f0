/** Machine code in words, and the features it needs, by the tables' names. */
import { fieldByName } from "@evenkeel/core";
import {
  CpuidFeature,
  Decoder,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
  type Instruction,
} from "iced-x86";

export interface Decoded {
  /** Intel syntax: `vpaddd ymm0,ymm1,ymm2`. */
  readonly text: string;
  readonly bytes: Buffer;
  /** Features of the tables that it needs; empty for what every x86-64 CPU has. */
  readonly features: readonly string[];
}

/** Features that the decoder names in another way than the tables. */
const NAMES: Readonly<Record<string, string>> = {
  AES: "AESNI",
  CLFSH: "CLFLUSH",
  CX8: "CMPXCHG8B",
};

function featureOf(id: CpuidFeature): string[] {
  const name = CpuidFeature[id] ?? "";
  const known = NAMES[name] ?? name;
  return fieldByName(known) === undefined ? [] : [known];
}

function textOf(instruction: Instruction): string {
  const formatter = new Formatter(FormatterSyntax.Intel);
  formatter.usePseudoOps = false;
  try {
    return formatter.format(instruction);
  } finally {
    formatter.free();
  }
}

/** The instruction that some bytes begin with; undefined where they are none. */
export function decodeInstruction(bytes: Buffer, address = 0n): Decoded | undefined {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = address;
  const instruction = decoder.decode();
  try {
    if (bytes.length === 0 || instruction.isInvalid) return undefined;
    return {
      text: textOf(instruction),
      bytes: bytes.subarray(0, instruction.length),
      features: [...instruction.cpuidFeatures()].flatMap((id) => featureOf(id as CpuidFeature)),
    };
  } finally {
    instruction.free();
    decoder.free();
  }
}
