/** The verdict index in memory: one byte for each contract and variant, both verdicts in it. */
import type { Verdict } from "@evenkeel/core";
import type { VerdictIndex } from "./fleet.ts";

/** As bytes; 0, which is there before anything is known, is `unknown`. */
const CODES: readonly Verdict[] = ["unknown", "incompatible", "insecure", "compatible"];
const [MASK, SHIFT] = [3, 2] as const;
const COMPATIBLE = CODES.indexOf("compatible");
/** Set where a pair was judged: an `unknown` that somebody found is another than one nobody did. */
const JUDGED = 16;

interface IndexedVerdict {
  readonly contract: string;
  readonly variant: string;
  readonly verdict: Verdict;
  /** As `verdict` where left out. */
  readonly underPlan?: Verdict | undefined;
  readonly plan?: string | null | undefined;
}

export interface GrowingIndex extends VerdictIndex {
  /** Adds verdicts, or replaces them. */
  set(rows: Iterable<IndexedVerdict>): void;
}

export function openVerdictIndex(): GrowingIndex {
  const variants = new Map<string, number>();
  const served: number[] = [];
  const rows = new Map<string, Uint8Array>();
  const plans = new Map<string, string>();

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

  const byteOf = (contract: string, variant: string): number => {
    const number = variants.get(variant);
    return number === undefined ? 0 : (rows.get(contract)?.[number] ?? 0);
  };

  return {
    set: (added) => {
      for (const { contract, variant, verdict, underPlan = verdict, plan } of added) {
        const number = variantNumber(variant);
        const row = rowOf(contract, number);
        if (typeof plan === "string") plans.set(contract, plan);
        const code = Math.max(CODES.indexOf(verdict), 0);
        const under = Math.max(CODES.indexOf(underPlan), 0);
        const before = (row[number] ?? 0) & MASK;
        const change = Number(code === COMPATIBLE) - Number(before === COMPATIBLE);
        served[number] = (served[number] ?? 0) + change;
        row[number] = code | (under << SHIFT) | JUDGED;
      }
    },
    has: (contract) => rows.has(contract),
    verdict: (contract, variant) => CODES[byteOf(contract, variant) & MASK] ?? "unknown",
    underPlan: (contract, variant) =>
      CODES[(byteOf(contract, variant) >> SHIFT) & MASK] ?? "unknown",
    judged: (contract, variant) => (byteOf(contract, variant) & JUDGED) !== 0,
    planOf: (contract) => plans.get(contract),
    served: (variant) => served[variants.get(variant) ?? -1] ?? 0,
  };
}
