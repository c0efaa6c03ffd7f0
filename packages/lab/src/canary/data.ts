/** The canary's data segment: everything has its address before the code is written. */
import { DATA_BASE } from "./elf.ts";

export interface Data {
  /** Places bytes and gives their address. */
  add(bytes: Uint8Array, alignment?: number): number;
  /** A line or a word, once however often it is asked for. */
  text(value: string): { readonly address: number; readonly length: number };
  bytes(): Uint8Array;
}

export function dataSegment(): Data {
  const parts: Buffer[] = [];
  const texts = new Map<string, number>();
  let size = 0;
  const add = (bytes: Uint8Array, alignment = 8) => {
    const gap = (alignment - (size % alignment)) % alignment;
    parts.push(Buffer.alloc(gap), Buffer.from(bytes));
    const address = DATA_BASE + size + gap;
    size += gap + bytes.length;
    return address;
  };
  return {
    add,
    text: (value) => {
      const address = texts.get(value) ?? add(Buffer.from(value, "latin1"), 1);
      texts.set(value, address);
      return { address, length: value.length };
    },
    bytes: () => Buffer.concat(parts),
  };
}
