/** Machine code in words, and the features it needs: crashes in the lab are read like any other. */
import { decodeAt } from "@evenkeel/isa";

export interface Decoded {
  /** Intel syntax: `vpaddd ymm0, ymm1, ymm2`. */
  readonly text: string;
  readonly bytes: Buffer;
  /** Features of the tables that it needs, or one of which it needs; empty for the baseline's. */
  readonly features: readonly string[];
}

/** The instruction that some bytes begin with; undefined where they are none. */
export function decodeInstruction(bytes: Buffer, address = 0n): Decoded | undefined {
  const decoded = decodeAt(bytes, Number(BigInt.asIntN(64, address)));
  if (typeof decoded === "string") return undefined;
  const { text, length, requirements } = decoded;
  const features = [...requirements.features, ...requirements.oneOf];
  return { text, bytes: bytes.subarray(0, length), features };
}
