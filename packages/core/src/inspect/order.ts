/** Keys that sort as addresses do: CPUID before registers, by leaf, subleaf, register, lowest bit. */
import { bitRange, registerName } from "../format/address.ts";
import type { RegisterId } from "../tables/registers.ts";

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

export function registerPlace(id: RegisterId): Place {
  const order =
    typeof id === "number" ? orderOf("1", id) : `2:${id.toString(16).padStart(16, "0")}`;
  return { address: registerName(id), order };
}

function orderOf(space: string, ...numbers: readonly number[]): string {
  return [space, ...numbers.map((n) => n.toString(16).padStart(8, "0"))].join(":");
}

export function fieldPlace({ address, order }: Place, hi: number, lo: number): Place {
  return {
    address: `${address}${bitRange(hi, lo)}`,
    order: `${order}:${lo.toString().padStart(2, "0")}`,
  };
}
