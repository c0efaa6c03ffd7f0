/** Mismatches of several release lines, without duplicates, each with its lines. */
import {
  decodeSignature,
  formatFms,
  isRefusedOn,
  type BootRequest,
  type Mismatch,
  type StaticTemplate,
  signatureOf,
} from "@evenkeel/core";
import type { Found } from "../render/verify.ts";

export interface LineResult {
  readonly line: string;
  readonly registers: number;
  readonly mismatches: readonly Mismatch[];
}

export function mergeLines(results: readonly LineResult[]): Found[] {
  const merged = new Map<string, { mismatch: Mismatch; lines: string[] }>();
  for (const { line, mismatches } of results) {
    for (const mismatch of mismatches) {
      const { owner, address, name, expected, actual, message } = mismatch;
      const key = JSON.stringify([owner, address, name, expected, actual, message]);
      const known = merged.get(key);
      if (known === undefined) merged.set(key, { mismatch, lines: [line] });
      else known.lines.push(line);
    }
  }
  return [...merged.values()].map(({ mismatch, lines }) => ({ ...mismatch, firecracker: lines }));
}

/** The only models on which each release line accepts a built-in template. */
export function refusedModels(
  builtIn: StaticTemplate | undefined,
  { line, offered }: BootRequest,
): Mismatch[] {
  if (builtIn === undefined) return [];
  const signature = decodeSignature(signatureOf(offered.cpuid) ?? 0);
  if (!isRefusedOn(builtIn, signature, line)) return [];
  return [
    {
      owner: "firecracker",
      address: "CPUID.01H:EAX",
      name: "family/model/stepping",
      expected: builtIn.models.map(formatFms).join(" or "),
      actual: formatFms(signature),
      message: `Firecracker refuses ${builtIn.name} on this model.`,
    },
  ];
}
