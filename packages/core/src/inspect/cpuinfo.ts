/**
 * A node's /proc/cpuinfo that tells of the pool's guest CPU: the same processors, with the guest
 * CPU's vendor, family, name and flags, and as model a word. Whatever describes this very machine
 * (topology, caches, clock, microcode) stays.
 */
import { entryKey } from "../cpuid.ts";
import type { PlanFile } from "../plan/find-class.ts";
import type { GuestEntry } from "../plan/guest-cpu.ts";
import { modelName } from "../profile/model.ts";
import type { Vendor } from "../tables/field.ts";
import { decodeSignature, type FamilyModelStepping } from "../tables/models.ts";
import { linuxFlags } from "./linux-flags.ts";

const VENDOR_ID: Readonly<Record<Vendor, string>> = {
  intel: "GenuineIntel",
  amd: "AuthenticAMD",
};

/** Family, model and stepping in CPUID.01H:EAX, with their extensions. */
const SIGNATURE_MASK = 0x0fff_0fff;

/** Undefined where each node keeps its own. */
function signatureOf(entries: readonly GuestEntry[]): FamilyModelStepping | undefined {
  const leaf1 = entries.find((entry) => entryKey(entry.leaf, entry.subleaf) === entryKey(1, 0));
  const { mask, value } = leaf1?.registers.eax ?? { mask: 0, value: 0 };
  return (mask & SIGNATURE_MASK) >>> 0 === SIGNATURE_MASK ? decodeSignature(value) : undefined;
}

export interface CpuinfoGuest {
  readonly word: string;
  /** As people read it, in `model name`; undefined where each node keeps its own. */
  readonly name: string | undefined;
  /** What is replaced, by the names of /proc/cpuinfo. */
  readonly values: ReadonlyMap<string, string>;
}

export function cpuinfoGuest(plan: PlanFile, word: string): CpuinfoGuest {
  const { type, guest } = plan;
  if (type === "aarch64") return { word, name: undefined, values: new Map([["model", word]]) };
  const signature = signatureOf(guest.cpuid);
  const name =
    signature === undefined ? undefined : `${modelName(type, signature)} (evenkeel guest CPU)`;
  const values = new Map([
    ["vendor_id", VENDOR_ID[type]],
    ["model", word],
    ["flags", linuxFlags(plan).join(" ")],
  ]);
  if (signature !== undefined && name !== undefined) {
    values.set("cpu family", String(signature.family));
    values.set("stepping", String(signature.stepping));
    values.set("model name", name);
  }
  return { word, name, values };
}

const LINE = /^([^:]*?)(\s*):/;

/** Linux on aarch64 gives no model: readers then take the part number that stands before it. */
function withModel(block: readonly string[], word: string): readonly string[] {
  const isModel = (line: string) => LINE.exec(line)?.[1] === "model";
  const isProcessor = block.some((line) => LINE.exec(line)?.[1] === "processor");
  return !isProcessor || block.some(isModel) ? block : [...block, `model\t\t: ${word}`];
}

/**
 * Rewrites the text of /proc/cpuinfo. Undefined where it has no processor to describe, or its
 * processors lack a line that should have been replaced: half an answer is none.
 */
export function rewriteCpuinfo(text: string, { word, values }: CpuinfoGuest): string | undefined {
  const blocks = text.trimEnd().split(/\n\n+/);
  let processors = 0;
  const rewritten: string[] = [];
  for (const block of blocks) {
    const lines = withModel(block.split("\n"), word);
    const replaced = new Set<string>();
    const changed = lines.map((line) => {
      const [, key = "", gap = ""] = LINE.exec(line) ?? [];
      const value = values.get(key);
      if (key === "processor") processors += 1;
      if (value === undefined) return line;
      replaced.add(key);
      return `${key}${gap}: ${value}`;
    });
    const described = lines.some((line) => LINE.exec(line)?.[1] === "processor");
    if (described && replaced.size < values.size) return undefined;
    rewritten.push(changed.join("\n"));
  }
  return processors === 0 ? undefined : `${rewritten.join("\n\n")}\n\n`;
}
