/** The verdict index in memory: one byte for each contract and variant. */
import type { Verdict } from "@evenkeel/core";
import type { VerdictIndex } from "./fleet.ts";

/** As bytes; 0, which is there before anything is known, is `unknown`. */
const CODES: readonly Verdict[] = ["unknown", "incompatible", "insecure", "compatible"];
const COMPATIBLE = CODES.indexOf("compatible");
/** Set where a pair was judged: an `unknown` that somebody found is another than one nobody did. */
const JUDGED = 4;

interface IndexedVerdict {
  readonly contract: string;
  readonly variant: string;
  readonly verdict: Verdict;
}

export interface GrowingIndex extends VerdictIndex {
  /** Adds verdicts, or replaces them. */
  set(rows: Iterable<IndexedVerdict>): void;
}

export function openVerdictIndex(): GrowingIndex {
  const variants = new Map<string, number>();
  const served: number[] = [];
  const rows = new Map<string, Uint8Array>();

  const variantNumber = (variant: string): number => {
    const known = variants.get(variant);
    if (known !== undefined) return known;
    variants.set(variant, variants.size);
    served.push(0);
    return variants.size - 1;
  };
  /** The contract's row, long enough for the variant. */
  const rowOf = (contract: string, variant: number): Uint8Array => {
    const row = rows.get(contract) ?? new Uint8Array(Math.max(variant + 1, variants.size));
    if (row.length > variant) {
      rows.set(contract, row);
      return row;
    }
    const longer = new Uint8Array(Math.max(variant + 1, row.length * 2));
    longer.set(row);
    rows.set(contract, longer);
    return longer;
  };

  return {
    set: (added) => {
      for (const { contract, variant, verdict } of added) {
        const number = variantNumber(variant);
        const row = rowOf(contract, number);
        const code = Math.max(CODES.indexOf(verdict), 0);
        const before = (row[number] ?? 0) % JUDGED;
        const change = Number(code === COMPATIBLE) - Number(before === COMPATIBLE);
        served[number] = (served[number] ?? 0) + change;
        row[number] = code + JUDGED;
      }
    },
    has: (contract) => rows.has(contract),
    verdict: (contract, variant) => {
      const number = variants.get(variant);
      const code = number === undefined ? 0 : (rows.get(contract)?.[number] ?? 0);
      return CODES[code % JUDGED] ?? "unknown";
    },
    judged: (contract, variant) => {
      const number = variants.get(variant);
      return number !== undefined && (rows.get(contract)?.[number] ?? 0) >= JUDGED;
    },
    served: (variant) => served[variants.get(variant) ?? -1] ?? 0,
  };
}
