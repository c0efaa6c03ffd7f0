/** CPUID leaves as rows: how they answer by subleaf, and what must be there of them. */

interface Leaf {
  readonly leaf: number;
  /** `indexed`: KVM marks its entries as such. `zeroed`: it has subleaves, KVM answers without. */
  readonly subleaves?: "indexed" | "zeroed";
  /** The first subleaf gives the highest, and KVM lists them all. */
  readonly counted?: true;
  /**
   * How many subleaves KVM lists, 1 where nothing is said: a number, `limited` for all up to the
   * highest that the kernel knows, `caches` for all up to the first that describes no cache.
   */
  readonly listed?: number | "limited" | "caches";
  /** The feature without which KVM lists the first subleaf alone. */
  readonly listedWith?: string;
  /** Subleaves without which nothing can be said about a guest. */
  readonly required?: readonly number[];
  /** KVM of 4.14 does not list it, although Firecracker may write a highest leaf beyond it. */
  readonly mayBeMissing?: true;
}

/**
 * Source: `cpuid_function_is_indexed` and `__do_cpuid_func` in Linux arch/x86/kvm/cpuid.c, 5.10 to
 * 6.18. Firecracker adds the second subleaf of 0BH and 1FH where KVM has one.
 */
const LEAVES: readonly Leaf[] = [
  { leaf: 0x0, required: [0] },
  { leaf: 0x1, required: [0] },
  { leaf: 0x4, subleaves: "indexed", listed: "caches" },
  { leaf: 0x7, subleaves: "indexed", counted: true, listed: "limited", required: [0] },
  { leaf: 0xb, subleaves: "indexed", listed: 2 },
  { leaf: 0xd, subleaves: "indexed", listed: 2, required: [0, 1] },
  { leaf: 0xf, subleaves: "indexed" },
  { leaf: 0x10, subleaves: "indexed" },
  { leaf: 0x12, subleaves: "indexed" },
  { leaf: 0x14, subleaves: "indexed" },
  { leaf: 0x17, subleaves: "indexed" },
  { leaf: 0x18, subleaves: "indexed" },
  { leaf: 0x1b, subleaves: "zeroed" },
  { leaf: 0x1d, subleaves: "indexed", counted: true, listed: 2, listedWith: "AMX_TILE" },
  { leaf: 0x1e, subleaves: "indexed" },
  { leaf: 0x1f, subleaves: "indexed", listed: 2 },
  { leaf: 0x20, subleaves: "zeroed" },
  { leaf: 0x23, subleaves: "zeroed" },
  { leaf: 0x24, subleaves: "indexed" },
  { leaf: 0x8000_0000, required: [0] },
  { leaf: 0x8000_0001, required: [0] },
  { leaf: 0x8000_0008, required: [0] },
  { leaf: 0x8000_001b, mayBeMissing: true },
  { leaf: 0x8000_001c, mayBeMissing: true },
  { leaf: 0x8000_001d, subleaves: "indexed", listed: "caches" },
  { leaf: 0x8000_001f, mayBeMissing: true },
  { leaf: 0x8000_0020, subleaves: "zeroed" },
  { leaf: 0x8000_0026, subleaves: "zeroed" },
];

function leavesWhere(test: (leaf: Leaf) => boolean): ReadonlySet<number> {
  return new Set(LEAVES.filter(test).map(({ leaf }) => leaf));
}

/** Leaves whose entries are told apart by subleaf. */
export const INDEXED_LEAVES = leavesWhere(({ subleaves }) => subleaves === "indexed");

/** Leaves whose address is written with ECX, as the manuals do. */
export const LEAVES_WITH_SUBLEAVES = leavesWhere(({ subleaves }) => subleaves !== undefined);

/** Leaves whose first subleaf gives the highest, all of which KVM lists. */
export const COUNTED_LEAVES = leavesWhere(({ counted }) => counted === true);

/** Leaves that an old KVM does not list although the highest leaf is beyond them. */
export const MISSING_ON_OLD_KERNELS = leavesWhere(({ mayBeMissing }) => mayBeMissing === true);

/** Leaves without which nothing can be said about a guest. */
export const REQUIRED_LEAVES: readonly (readonly [leaf: number, subleaf: number])[] =
  LEAVES.flatMap(({ leaf, required = [] }) => required.map((subleaf) => [leaf, subleaf] as const));

/** How many subleaves KVM lists of a leaf where a guest has some features. */
export function listedSubleaves(leaf: number, shows: (feature: string) => boolean) {
  const { listed = 1, listedWith } = LEAVES.find((row) => row.leaf === leaf) ?? {};
  return listedWith === undefined || shows(listedWith) ? listed : 1;
}
