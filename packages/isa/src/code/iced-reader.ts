/** Iced's decoder over a region of any size. */
import { Decoder, DecoderOptions, Instruction } from "iced-x86";
import { learn, type CodeTable, type Flow } from "./codes.ts";

/**
 * Iced keeps a copy of what it decodes. One of this size serves many functions, which are read in
 * the order of their addresses.
 */
const WINDOW = 64 * 1024;
/** No instruction is longer. */
const LONGEST = 15;

/** One for all: it is read before the next one is decoded. */
const decoded = new Instruction();

/** Decodes one instruction after another into {@link instruction}; to be freed. */
export class IcedReader {
  /** The instruction decoded last. */
  readonly instruction: Instruction = decoded;
  readonly #table: CodeTable;
  readonly #bytes: Uint8Array;
  #decoder: Decoder | undefined;
  /** What the decoder has a copy of. */
  #start = 0;
  #end = 0;

  constructor(table: CodeTable, bytes: Uint8Array) {
    this.#table = table;
    this.#bytes = bytes;
  }

  /** Decodes the instruction at an offset and returns what comes after it. */
  decode(at: number): Flow {
    const decoder = this.#decoderFor(at);
    decoder.position = at - this.#start;
    decoder.decodeOut(this.instruction);
    const { code } = this.instruction;
    return (this.#table.flows[code] || learn(this.#table, code, this.instruction)) as Flow;
  }

  #decoderFor(at: number): Decoder {
    const { length } = this.#bytes;
    const known = this.#decoder;
    const reaches = at + LONGEST <= this.#end || this.#end === length;
    if (known !== undefined && at >= this.#start && reaches) return known;
    known?.free();
    this.#start = at;
    this.#end = Math.min(length, at + WINDOW);
    const copy = this.#bytes.subarray(this.#start, this.#end);
    this.#decoder = new Decoder(64, copy, DecoderOptions.None);
    return this.#decoder;
  }

  free(): void {
    this.#decoder?.free();
    this.#decoder = undefined;
  }
}
