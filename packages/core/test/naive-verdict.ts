/** The second opinion's verdict: why a guest must not resume on a node, by loops over bits. */
import { naiveHiddenWeaknesses, naiveUnbacked, type NaiveGuest } from "./naive.ts";

/**
 * Bits that may go without harm. ERMS, FSRM, FZRM, FSRS, FSRC, HLE, self snoop, CLDEMOTE,
 * PREFETCHW, PREFETCHI, WBNOINVD (else WBINVD), AMD's likes and KVM's hints are speed.
 */
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
  "80000008.0.ebx[9]",
  "80000021.0.eax[10]",
  "80000021.0.eax[11]",
  "80000021.0.eax[18]",
  "80000021.0.eax[19]",
  "80000021.0.eax[20]",
  "8000001a.0.eax[0]",
  "8000001a.0.eax[1]",
  "8000001a.0.eax[2]",
  "8000001a.0.eax[3]",
  "40000001.0.eax[1]",
  "40000001.0.eax[13]",
  "40000001.0.edx[0]",
]);

/** Bits that no guest can do anything with: KVM gives none what stands behind them. */
const NEVER_KEPT: Readonly<Record<string, readonly number[]>> = {
  "msr.10a": [9, 10, 11, 12, 16, 18, 21, 22, 23, 25, 29, 30, 32],
  "80000021.0.eax": [9],
  // Flags of the host's Linux that KVM of 5.10 shows by mistake.
  "80000021.0.ecx": [13, 14],
};

/** Bits that describe: what the kernel has switched on, hybrid parts, MPX's widths, cores. */
const DESCRIBING: Readonly<Record<string, readonly number[]>> = {
  "1.0.ecx": [27],
  "1.0.edx": [28],
  "7.0.ecx": [4, 17, 18, 19, 20, 21],
  "7.0.edx": [15],
  "80000001.0.ecx": [1],
};

/** What SVM offers: of no use without it, and with it judged by the model. */
const OF_SVM = /^8000000a\.0\./;

function harmless(place: string): boolean {
  const [key = "", bit = ""] = place.replace("]", "").split("[");
  const listed = [NEVER_KEPT, DESCRIBING].some((table) => table[key]?.includes(Number(bit)));
  return HINTS.has(place) || OF_SVM.test(key) || listed;
}

function number(of: NaiveGuest, key: string, hi: number, lo: number): number {
  const bits = (of.get(key) ?? []).slice(lo, hi + 1).toReversed();
  return Number.parseInt(bits.join("") || "0", 2);
}

/** State components that the guest may enable, laid out another way on the node. */
function otherLayout(guest: NaiveGuest, node: NaiveGuest): string[] {
  const found: string[] = [];
  for (let component = 2; component < 20; component++) {
    const isUser = number(guest, "d.0.eax", component, component) === 1;
    const isSupervisor = number(guest, "d.1.ecx", component, component) === 1;
    if (!isUser && !isSupervisor) continue;
    const at = `d.${component.toString(16)}`;
    const same = (register: string, hi: number) =>
      number(guest, `${at}.${register}`, hi, 0) === number(node, `${at}.${register}`, hi, 0);
    if (!same("eax", 31)) found.push(`${at}.eax`);
    if (isUser && !same("ebx", 31)) found.push(`${at}.ebx`);
    // Supervisor state and alignment: the compacted format depends on both.
    if (!same("ecx", 1)) found.push(`${at}.ecx`);
  }
  return found;
}

/** VMX or SVM promised to a guest of another model: no dump says what stands behind the bit. */
function nestedElsewhere(guest: NaiveGuest, node: NaiveGuest): string[] {
  const promised = number(guest, "1.0.ecx", 5, 5) + number(guest, "80000001.0.ecx", 2, 2) > 0;
  const sameModel = number(guest, "1.0.eax", 27, 0) === number(node, "1.0.eax", 27, 0);
  return promised && !sameModel ? ["nested virtualization on another model"] : [];
}

/**
 * A dump without MSR CEH says nothing against CPUID faulting, which every new vCPU has; one that
 * lists it does. Source: kvm_arch_vcpu_create in Linux arch/x86/kvm/x86.c (msr_platform_info).
 */
function isEmulated(place: string, node: NaiveGuest): boolean {
  return place === "msr.ce[31]" && !node.has("msr.ce");
}

/** Promises that are not kept, weaknesses the guest does not know, numbers it counts on. */
export function naiveUnsafe(guest: NaiveGuest, node: NaiveGuest): string[] {
  const unsafe = [...naiveUnbacked(guest, node), ...naiveHiddenWeaknesses(guest, [node])].filter(
    (place) => !harmless(place) && !isEmulated(place, node),
  );
  if (number(guest, "80000008.0.eax", 7, 0) > number(node, "80000008.0.eax", 7, 0)) {
    unsafe.push("physical address bits");
  }
  return [...unsafe, ...otherLayout(guest, node), ...nestedElsewhere(guest, node)];
}

/** Leaves that some feature or some highest leaf says exist. */
const IMPLIED: readonly (readonly [leaf: string, by: (has: NaiveGuest) => boolean])[] = [
  ["7.1", (has) => number(has, "7.0.eax", 31, 0) >= 1],
  ["7.2", (has) => number(has, "7.0.eax", 31, 0) >= 2],
  ["80000007.0", (has) => number(has, "80000000.0.eax", 31, 0) >= 0x8000_0007],
  ["80000021.0", (has) => number(has, "80000000.0.eax", 31, 0) >= 0x8000_0021],
  ["40000001.0", (has) => number(has, "40000000.0.eax", 31, 0) >= 0x4000_0001],
  ["1d.0", (has) => number(has, "7.0.edx", 24, 24) === 1],
  ["1d.1", (has) => number(has, "7.0.edx", 24, 24) === 1],
  ["1e.0", (has) => number(has, "7.0.edx", 24, 24) === 1],
  ["24.0", (has) => number(has, "7.1.edx", 19, 19) === 1],
];

const NEEDED = ["0.0", "1.0", "7.0", "d.0", "d.1", "80000000.0", "80000001.0", "80000008.0"];

/** State components by name of the entry: user state in XCR0, supervisor state in XSS. */
function missingComponents(has: NaiveGuest): string[] {
  const found: string[] = [];
  for (const [key, components] of [
    ["d.0.eax", [2, 3, 4, 5, 6, 7, 9, 17, 18]],
    ["d.1.ecx", [11, 12]],
  ] as const) {
    for (const n of components) {
      const entry = `d.${n.toString(16)}`;
      if (number(has, key, n, n) === 1 && !has.has(`${entry}.eax`)) found.push(entry);
    }
  }
  return found;
}

/** What a CPU description does not say although it must: never to be taken for absent. */
export function naiveMissing(has: NaiveGuest): string[] {
  const implied = IMPLIED.filter(([, by]) => by(has)).map(([leaf]) => leaf);
  const missing = [...NEEDED, ...implied].filter((leaf) => !has.has(`${leaf}.eax`));
  const isIntel = number(has, "0.0.ebx", 31, 0) === 0x756e_6547;
  const capabilities = isIntel && number(has, "7.0.edx", 29, 29) === 1;
  if (capabilities && !has.has("msr.10a")) missing.push("msr.10a");
  if (![...has.keys()].some((key) => key.startsWith("msr."))) missing.push("all MSRs");
  return [...missing, ...missingComponents(has)];
}
