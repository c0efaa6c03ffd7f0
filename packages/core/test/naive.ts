/**
 * A second opinion, written differently on purpose: templates as JSON text, bits as characters,
 * loops instead of masks, and its own short list of what may differ. It shares no code with what
 * it checks but the readers.
 */
import type { NodeProfile } from "../src/profile/profile.ts";

type Bits = string[];
export type NaiveGuest = Map<string, Bits>;

function bitsOf(value: number | bigint, width: number): Bits {
  return [...BigInt(value).toString(2).padStart(width, "0")].toReversed();
}

/** Every register as bits, lowest first. */
export function naiveGuest({ cpu }: NodeProfile): NaiveGuest {
  const guest: NaiveGuest = new Map();
  for (const entry of cpu.cpuid) {
    for (const register of ["eax", "ebx", "ecx", "edx"] as const) {
      const key = `${entry.leaf.toString(16)}.${entry.subleaf.toString(16)}.${register}`;
      guest.set(key, bitsOf(entry[register], 32));
    }
  }
  for (const { addr, value } of cpu.msrs) guest.set(`msr.${addr.toString(16)}`, bitsOf(value, 64));
  return guest;
}

interface TemplateJson {
  cpuid_modifiers?: {
    leaf: string;
    subleaf: string;
    modifiers: { register: string; bitmap: string }[];
  }[];
  msr_modifiers?: { addr: string; bitmap: string }[];
}

/** Applies a template's JSON text; throws where Firecracker would refuse to boot. */
export function naiveApply(guest: NaiveGuest, text: string): NaiveGuest {
  const template = JSON.parse(text) as TemplateJson;
  const result: NaiveGuest = new Map([...guest].map(([key, bits]) => [key, [...bits]]));
  const change = (key: string, bitmap: string) => {
    const bits = result.get(key);
    if (bits === undefined) throw new Error(`not supported by KVM: ${key}`);
    Array.from(bitmap.slice(2))
      .toReversed()
      .forEach((character, i) => {
        if (character !== "x") bits[i] = character;
      });
  };
  for (const { leaf, subleaf, modifiers } of template.cpuid_modifiers ?? []) {
    const place = `${Number(leaf).toString(16)}.${Number(subleaf).toString(16)}`;
    for (const { register, bitmap } of modifiers) change(`${place}.${register}`, bitmap);
  }
  for (const { addr, bitmap } of template.msr_modifiers ?? []) {
    change(`msr.${Number(addr).toString(16)}`, bitmap);
  }
  return result;
}

/** Registers that describe caches, topology, clocks or a vCPU's state. */
const MAY_DIFFER = [
  /^(2|4|b|1f|15|16|17|18|1a)\./,
  /^1\.0\.ebx$/,
  /^6\.0\.(ebx|edx)$/,
  /^d\.[01]\.ebx$/,
  /^8000000[23456]\./,
  // Memory encryption, which no guest can use: KVM of 5.10 shows the host's leaf.
  /^8000001f\./,
  /^80000008\.0\.ecx$/,
  /^800000(19|1d|1e)\./,
  /^80000001\.0\.ebx$/,
  /^80000021\.0\.ebx$/,
  /^msr\.(?!10a$|ce$|cf$)/,
];

/** Bits that announce a weakness: a guest may see them where the CPU does not have them. */
const UNITED: Readonly<Record<string, readonly number[]>> = {
  "msr.10a": [2, 17, 19, 28],
  "7.0.edx": [10],
  "80000021.0.eax": [5],
};

/** Announcements of lacks that matter to no guest. */
const LACKS: Readonly<Record<string, readonly number[]>> = {
  "7.0.ebx": [6, 13],
  "80000008.0.ebx": [20],
  "80000021.0.eax": [1],
};

/** Registers that hold numbers, where a bit alone means nothing. */
const NUMBERS = [
  /^0\.0\.eax$/,
  /^1\.0\.eax$/,
  /^7\.0\.eax$/,
  /^a\./,
  /^d\.0\.ecx$/,
  /^d\.[2-9a-f]/,
  /^d\.1[0-9]/,
  /^1d\./,
  /^1e\.0/,
  /^24\.0\.(eax|ebx)$/,
  /^4000000/,
  /^80000000\.0\.eax$/,
  /^80000001\.0\.eax$/,
  /^80000008\.0\.(eax|edx)$/,
  /^80000022\.0\.ebx$/,
];

/** Bits that no guest can do anything with. */
const USELESS: Readonly<Record<string, readonly number[]>> = {
  "msr.10a": [10, 11, 12, 18, 25],
  "80000021.0.eax": [9],
  "80000021.0.ecx": [13, 14],
};

/** Bits that others of the node stand in for: Intel's speculation controls, in AMD's words. */
const INSTEAD: Readonly<Record<string, readonly (readonly [key: string, bit: number])[]>> = {
  "7.0.edx[26]": [
    ["80000008.0.ebx", 12],
    ["80000008.0.ebx", 14],
  ],
  "7.0.edx[27]": [["80000008.0.ebx", 15]],
  "7.0.edx[31]": [["80000008.0.ebx", 24]],
};

function mayDiffer(key: string): boolean {
  return MAY_DIFFER.some((pattern) => pattern.test(key));
}

/** Places where two guests are not the same; an absent register reads as zeros. */
export function naiveDifferences(a: NaiveGuest, b: NaiveGuest): string[] {
  const found: string[] = [];
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    if (mayDiffer(key)) continue;
    for (let i = 0; i < 64; i++) {
      if ((a.get(key)?.[i] ?? "0") !== (b.get(key)?.[i] ?? "0")) found.push(`${key}[${i}]`);
    }
  }
  return found;
}

/** Feature bits that a guest sees and its node does not have. */
export function naiveUnbacked(guest: NaiveGuest, node: NaiveGuest): string[] {
  const found: string[] = [];
  for (const [key, bits] of guest) {
    if (mayDiffer(key) || NUMBERS.some((pattern) => pattern.test(key))) continue;
    bits.forEach((bit, i) => {
      const united = [UNITED, LACKS].some((table) => table[key]?.includes(i));
      const backed = united || node.get(key)?.[i] === "1";
      if (bit === "1" && !backed) found.push(`${key}[${i}]`);
    });
  }
  return found;
}

/** Weaknesses that some node announces and this guest does not see. */
export function naiveHiddenWeaknesses(guest: NaiveGuest, nodes: readonly NaiveGuest[]): string[] {
  const found: string[] = [];
  for (const [key, bits] of Object.entries(UNITED)) {
    for (const bit of bits) {
      const announced = nodes.some((node) => node.get(key)?.[bit] === "1");
      if (announced && guest.get(key)?.[bit] !== "1") found.push(`${key}[${bit}]`);
    }
  }
  return found;
}

/**
 * Why a guest must not resume on a node, by loops over bits: promised bits that are not there
 * (hints excepted), weaknesses it does not know, numbers it counts on, bits nobody knows.
 */
export function naiveUnsafe(guest: NaiveGuest, node: NaiveGuest): string[] {
  const useless = new Set(
    Object.entries(USELESS).flatMap(([key, bits]) => bits.map((bit) => `${key}[${bit}]`)),
  );
  const instead = (place: string) =>
    INSTEAD[place]?.every(([key, bit]) => node.get(key)?.[bit] === "1") ?? false;
  const unsafe = naiveUnbacked(guest, node).filter(
    (place) => !HINTS.has(place) && !useless.has(place) && !instead(place),
  );
  for (const [key, bits] of Object.entries(UNITED)) {
    for (const bit of bits) {
      if (node.get(key)?.[bit] === "1" && guest.get(key)?.[bit] !== "1")
        unsafe.push(`${key}[${bit}]`);
    }
  }
  const number = (of: NaiveGuest, key: string, hi: number, lo: number) =>
    Number.parseInt(
      (of.get(key) ?? [])
        .slice(lo, hi + 1)
        .toReversed()
        .join("") || "0",
      2,
    );
  if (number(guest, "80000008.0.eax", 7, 0) > number(node, "80000008.0.eax", 7, 0)) {
    unsafe.push("physical address bits");
  }
  for (let component = 2; component < 20; component++) {
    if (number(guest, "d.0.eax", component, component) === 0) continue;
    for (const register of ["eax", "ebx"]) {
      const key = `d.${component.toString(16)}.${register}`;
      if (number(guest, key, 31, 0) !== number(node, key, 31, 0)) unsafe.push(key);
    }
  }
  return unsafe;
}

/** ERMS, FSRM, FZRM, FSRS, FSRC, HLE, self snoop, CLDEMOTE, PREFETCHW, PREFETCHI, AMD's likes. */
const HINTS: ReadonlySet<string> = new Set([
  "7.0.ebx[9]",
  "7.0.edx[4]",
  "7.1.eax[10]",
  "7.1.eax[11]",
  "7.1.eax[12]",
  "7.0.ebx[4]",
  "1.0.edx[27]",
  "7.0.ecx[25]",
  "80000001.0.ecx[8]",
  "80000001.0.edx[25]",
  "7.1.edx[14]",
  "80000021.0.eax[10]",
  "80000021.0.eax[11]",
  "80000021.0.eax[18]",
  "80000021.0.eax[19]",
  "80000021.0.eax[20]",
  "8000001a.0.eax[0]",
  "8000001a.0.eax[1]",
  "8000001a.0.eax[2]",
  "40000001.0.edx[0]",
  "40000001.0.eax[1]",
  "40000001.0.eax[13]",
  "80000008.0.ebx[9]",
]);
