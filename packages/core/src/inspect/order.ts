/** Keys that sort as addresses do: CPUID before MSRs, by leaf, subleaf, register, lowest bit. */
import { bitRange } from "../format/address.ts";

export interface Place {
  readonly address: string;
  readonly order: string;
}

export function cpuidPlace(
  address: string,
  leaf: number,
  subleaf: number,
  register: number,
): Place {
  return { address, order: orderOf("0", leaf, subleaf, register) };
}

export function msrPlace(address: string, addr: number): Place {
  return { address, order: orderOf("1", addr) };
}

/** The place of an aarch64 register; `address` is its name. */
export function armPlace(address: string, id: bigint): Place {
  return { address, order: `2:${id.toString(16).padStart(16, "0")}` };
}

function orderOf(space: string, ...numbers: readonly number[]): string {
  return [space, ...numbers.map((n) => n.toString(16).padStart(8, "0"))].join(":");
}

/** The place of a field within a register. */
export function fieldPlace({ address, order }: Place, hi: number, lo: number): Place {
  return {
    address: `${address}${bitRange(hi, lo)}`,
    order: `${order}:${lo.toString().padStart(2, "0")}`,
  };
}
