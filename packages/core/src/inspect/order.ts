/** Keys that sort as addresses do: CPUID before registers, by leaf, subleaf, register, lowest bit. */
import { REGISTERS } from "../cpuid.ts";
import { bitRange, wordAddress } from "../format/address.ts";
import type { WordPlace } from "../tables/registers.ts";

export interface Place {
  readonly address: string;
  readonly order: string;
}

function hex(number: number | bigint, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}

export function placeOf(word: WordPlace): Place {
  const address = wordAddress(word);
  if ("leaf" in word) {
    const { leaf, subleaf, register } = word;
    return {
      address,
      order: `0:${hex(leaf, 8)}:${hex(subleaf, 8)}:${REGISTERS.indexOf(register)}`,
    };
  }
  return { address, order: `${typeof word.id === "number" ? 1 : 2}:${hex(word.id, 16)}` };
}

export function fieldPlace({ address, order }: Place, hi: number, lo: number): Place {
  return {
    address: `${address}${bitRange(hi, lo)}`,
    order: `${order}:${lo.toString().padStart(2, "0")}`,
  };
}

/** The places of single bits, lowest first. */
export function bitPlaces(at: Place, bits: bigint): { readonly bit: number; readonly at: Place }[] {
  return Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => ((bits >> BigInt(bit)) & 1n) === 1n)
    .map((bit) => ({ bit, at: fieldPlace(at, bit, bit) }));
}
