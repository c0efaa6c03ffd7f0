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
const UNITED: Readonly<Record<string, readonly number[]>> = { "msr.10a": [2, 19] };

/** Bits that announce a lack which matters to no guest. */
const LACKS: Readonly<Record<string, readonly number[]>> = {
  "7.0.ebx": [6, 13],
  "80000008.0.ebx": [20],
  "80000021.0.eax": [1],
};

/**
 * MD_CLEAR, FB_CLEAR, RFDS_CLEAR, VERW_CLEAR: "VERW clears". Each with the ways to do without the
 * bit: bits that together say that there is nothing to clear, or that VERW clears all the same.
 * A guest counts on it, so that the node must keep it; and what it is not told, it does not do.
 */
const CLEARS: readonly (readonly [bit: string, without: (node: NaiveGuest) => boolean])[] = [
  ["7.0.edx[10]", (node) => sees(node, "msr.10a[5]")],
  ["msr.10a[17]", (node) => isSafeFromStaleData(node)],
  ["msr.10a[28]", (node) => sees(node, "msr.10a[27]")],
  [
    "80000021.0.eax[5]",
    (node) => sees(node, "80000021.0.ecx[1]") && sees(node, "80000021.0.ecx[2]"),
  ],
];

/** No stale data by MMIO; or a CPU with MDS (not MDS_NO) whose VERW clears (MD_CLEAR, FLUSH_L1D). */
function isSafeFromStaleData(node: NaiveGuest): boolean {
  if (["msr.10a[13]", "msr.10a[14]", "msr.10a[15]"].every((no) => sees(node, no))) return true;
  return sees(node, "7.0.edx[10]") && sees(node, "7.0.edx[28]") && !sees(node, "msr.10a[5]");
}

/** `7.0.edx[10]` in a guest; the MSR counts where leaf 7 says that it exists. */
function sees(guest: NaiveGuest, place: string): boolean {
  const [key = "", bit = ""] = place.replace("]", "").split("[");
  if (key === "msr.10a" && guest.get("7.0.edx")?.[29] !== "1") return false;
  return guest.get(key)?.[Number(bit)] === "1";
}

/** "VERW clears" that the guest was promised, and this node neither does nor need do. */
function unkept(guest: NaiveGuest, node: NaiveGuest): string[] {
  return CLEARS.filter(
    ([bit, without]) => sees(guest, bit) && !sees(node, bit) && !without(node),
  ).map(([bit]) => bit);
}

/** "VERW clears" of a node that needs it, which the guest does not know of. */
function unknownClears(guest: NaiveGuest, node: NaiveGuest): string[] {
  return CLEARS.filter(
    ([bit, without]) => sees(node, bit) && !sees(guest, bit) && !without(node),
  ).map(([bit]) => bit);
}

/** Intel's names of mitigations; where AMD's are offered, KVM grants the same MSRs. */
const SAME_AS: Readonly<Record<string, readonly string[]>> = {
  "7.0.edx[26]": ["80000008.0.ebx[12]", "80000008.0.ebx[14]"],
  "7.0.edx[27]": ["80000008.0.ebx[15]"],
  "7.0.edx[31]": ["80000008.0.ebx[24]"],
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
      if (bit !== "1") return;
      const place = `${key}[${i}]`;
      if (CLEARS.some(([clear]) => clear === place)) return;
      const united = [UNITED, LACKS].some((table) => table[key]?.includes(i));
      const same = SAME_AS[place]?.every((other) => sees(node, other)) ?? false;
      const backed = united || same || node.get(key)?.[i] === "1";
      if (!backed) found.push(place);
    });
  }
  return [...found, ...unkept(guest, node)];
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
  for (const node of nodes) found.push(...unknownClears(guest, node));
  return [...new Set(found)];
}
