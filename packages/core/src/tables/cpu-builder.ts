/** A CPU from the names of its features: registers are composed from the tables. */
import { insert32 } from "../bits.ts";
import {
  compareEntries,
  entryKey,
  SIGNIFICANT_INDEX,
  type CpuidEntry,
  type MsrValue,
  type Registers,
} from "../cpuid.ts";
import { INDEXED_LEAVES } from "./leaves.ts";
import { fieldByName } from "./lookup.ts";

/** What leaf 0 spells. */
export const SIGNATURES = {
  intel: { ebx: 0x756e_6547, ecx: 0x6c65_746e, edx: 0x4965_6e69 },
  amd: { ebx: 0x6874_7541, ecx: 0x444d_4163, edx: 0x6974_6e65 },
} as const;

const NO_REGISTERS: Registers = { eax: 0, ebx: 0, ecx: 0, edx: 0 };

/** Collects entries and MSRs; fields are set by name, registers by value. */
export class CpuBuilder {
  readonly #entries = new Map<string, CpuidEntry>();
  readonly #msrs = new Map<number, bigint>();

  entry(leaf: number, subleaf = 0, registers: Partial<Registers> = {}): this {
    const key = entryKey(leaf, subleaf);
    const flags = INDEXED_LEAVES.has(leaf) ? SIGNIFICANT_INDEX : 0;
    const before = this.#entries.get(key) ?? { leaf, subleaf, flags, ...NO_REGISTERS };
    this.#entries.set(key, { ...before, ...registers });
    return this;
  }

  msr(addr: number, value = 0n): this {
    this.#msrs.set(addr, value);
    return this;
  }

  /** Sets a field of the tables to a value; its entry appears if it was not there. */
  set(name: string, value = 1): this {
    const field = fieldByName(name);
    if (field === undefined) throw new Error(`no row is named ${name}`);
    if ("addr" in field) {
      const before = this.#msrs.get(field.addr) ?? 0n;
      return this.msr(field.addr, before | (BigInt(value) << BigInt(field.lo)));
    }
    const { leaf, subleaf = 0, register, hi, lo } = field;
    this.entry(leaf, subleaf);
    const entry = this.#entries.get(entryKey(leaf, subleaf)) ?? NO_REGISTERS;
    return this.entry(leaf, subleaf, { [register]: insert32(entry[register], hi, lo, value) });
  }

  /** The brand string, at most 48 characters. */
  brand(text: string): this {
    const word = (at: number) =>
      [0, 1, 2, 3].reduce((w, i) => w | ((text.charCodeAt(at + i) & 0xff) << (8 * i)), 0) >>> 0;
    for (const [i, leaf] of [0x8000_0002, 0x8000_0003, 0x8000_0004].entries()) {
      const at = i * 16;
      const registers = { eax: word(at), ebx: word(at + 4), ecx: word(at + 8), edx: word(at + 12) };
      this.entry(leaf, 0, registers);
    }
    return this;
  }

  setAll(names: readonly string[]): this {
    for (const name of names) this.set(name);
    return this;
  }

  build(): { cpuid: CpuidEntry[]; msrs: MsrValue[] } {
    return {
      cpuid: [...this.#entries.values()].toSorted(compareEntries),
      msrs: [...this.#msrs]
        .map(([addr, value]) => ({ addr, value }))
        .toSorted((a, b) => a.addr - b.addr),
    };
  }
}
