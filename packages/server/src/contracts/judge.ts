/**
 * Verdicts of all contracts on all kinds of nodes, with everything that does not depend on the pair
 * made ready once: another kind of node costs one comparison for each guest. Pure.
 */
import {
  guestKey,
  judgePrepared,
  loadingVersion,
  prepare,
  prepareOn,
  underPlan,
  type Bench,
  type CpuContract,
  type Finding,
  type NodeProfile,
  type PlanFile,
  type Verdict,
} from "@evenkeel/core";

interface KnownContract {
  readonly digest: string;
  readonly contract: CpuContract;
}

interface KnownVariant {
  readonly id: string;
  /** Of one of its nodes: verdicts on all of them are the same. */
  readonly profile: NodeProfile;
}

export interface VerdictRow {
  readonly contract: string;
  readonly variant: string;
  readonly verdict: Verdict;
  /** On nodes that apply the contract's own plan: with what was accepted when that was made. */
  readonly underPlan: Verdict;
  /** What stands against it; notes are left out. */
  readonly findings: readonly Finding[];
}

/** Plans by their digest, of those in which something was accepted. */
export type AcceptingPlans = ReadonlyMap<string, PlanFile>;

type PreparedContract = Bench["contracts"][number];
type PreparedNode = Bench["nodes"][number];
type Type = Parameters<typeof prepare>[0];

/** Contracts that no verdict tells apart. */
interface Guest {
  readonly prepared: PreparedContract;
  readonly digests: string[];
}

interface Node {
  readonly id: string;
  readonly prepared: PreparedNode;
}

/** All contracts of CPUs of one type, and all kinds of nodes, on one layout. */
interface TypeBench {
  layout: Bench["layout"];
  guests: Map<string, Guest>;
  nodes: Node[];
}

/** Beyond so many, laying all out anew is quicker than adding one by one. */
const AT_ONCE = 100;

/** When a contract was made means nothing to a verdict, and would make each a guest of its own. */
function timeless(contract: CpuContract): CpuContract {
  return { ...contract, time: undefined };
}

function typeOf({ arch, vendor }: CpuContract): Type {
  return arch === "aarch64" ? arch : vendor;
}

function keep(bench: TypeBench, digest: string, prepared: PreparedContract): void {
  const key = guestKey(bench.layout, prepared) ?? digest;
  const guest = bench.guests.get(key);
  if (guest === undefined) bench.guests.set(key, { prepared, digests: [digest] });
  else guest.digests.push(digest);
}

/** The release that would load a snapshot there is the one that the node's agent would take. */
function judgePair(
  { layout }: TypeBench,
  { prepared, digests }: Guest,
  { id, prepared: node }: Node,
  plans: AcceptingPlans,
): VerdictRow[] {
  const { contract } = prepared;
  const { profile } = node;
  const version = loadingVersion(contract, profile.firecracker);
  const bench = { layout, contracts: [], nodes: [] };
  const judged = judgePrepared(bench, prepared, node, version);
  const { verdict } = judged;
  const plan = plans.get(contract.plan ?? "");
  const under =
    plan === undefined ? verdict : underPlan(judged, contract, { plan, profile }).verdict;
  const findings = judged.findings.filter(({ severity }) => severity !== "note");
  return digests.map((digest) => ({
    contract: digest,
    variant: id,
    verdict,
    underPlan: under,
    findings,
  }));
}

export interface Judging {
  readonly contracts: () => Iterable<string>;
  readonly variants: () => number;
  readonly hasContract: (digest: string) => boolean;
  readonly hasVariant: (id: string) => boolean;
  readonly addContracts: (list: readonly KnownContract[]) => void;
  /** Contracts that are registered no more. */
  readonly forget: (digests: readonly string[]) => void;
  readonly addVariants: (list: readonly KnownVariant[]) => void;
  /** All contracts that were added on one kind of node, which is not added. */
  readonly onVariant: (variant: KnownVariant, plans: AcceptingPlans) => VerdictRow[];
  /** One contract, which is not added, on all kinds of nodes that were added. */
  readonly ofContract: (contract: KnownContract, plans: AcceptingPlans) => VerdictRow[];
}

/** Benches by type, made when they are needed, and made anew for words that have no place. */
function openBenches(
  contracts: ReadonlyMap<string, CpuContract>,
  variants: ReadonlyMap<string, NodeProfile>,
) {
  const benches = new Map<Type, TypeBench>();
  /** With room for more that is to come. */
  const rebuilt = (type: Type, more: readonly CpuContract[], nodes: readonly NodeProfile[]) => {
    const own = [...contracts].filter(([, contract]) => typeOf(contract) === type);
    const all = [...own.map(([, contract]) => timeless(contract)), ...more];
    const bench = prepare(type, all, [...variants.values(), ...nodes]);
    const made: TypeBench = {
      layout: bench.layout,
      guests: new Map(),
      nodes: [...variants.keys()].flatMap((id, i) => {
        const prepared = bench.nodes[i];
        return prepared === undefined ? [] : [{ id, prepared }];
      }),
    };
    for (const [i, [digest]] of own.entries()) {
      const prepared = bench.contracts[i];
      if (prepared !== undefined) keep(made, digest, prepared);
    }
    benches.set(type, made);
    return made;
  };
  const benchOf = (type: Type): TypeBench => benches.get(type) ?? rebuilt(type, [], []);
  return {
    types: () => [...benches.keys()],
    rebuild: (type: Type) => void rebuilt(type, [], []),
    forget: (digests: ReadonlySet<string>) => {
      for (const { guests } of benches.values()) {
        for (const [key, { prepared, digests: own }] of guests) {
          const left = own.filter((digest) => !digests.has(digest));
          if (left.length === 0) guests.delete(key);
          else if (left.length < own.length) guests.set(key, { prepared, digests: left });
        }
      }
    },
    withNode: (type: Type, profile: NodeProfile) => {
      const bench = benchOf(type);
      const fitting = prepareOn(bench, [], [profile]);
      if (fitting !== undefined) return { bench, node: fitting.nodes[0] };
      const made = rebuilt(type, [], [profile]);
      return { bench: made, node: prepareOn(made, [], [profile])?.nodes[0] };
    },
    withGuest: (contract: CpuContract) => {
      const type = typeOf(contract);
      const bench = benchOf(type);
      const own = timeless(contract);
      const fitting = prepareOn(bench, [own], []);
      if (fitting !== undefined) return { bench, guest: fitting.contracts[0] };
      const made = rebuilt(type, [own], []);
      return { bench: made, guest: prepareOn(made, [own], [])?.contracts[0] };
    },
  };
}

export function openJudging(): Judging {
  const contracts = new Map<string, CpuContract>();
  const variants = new Map<string, NodeProfile>();
  const benches = openBenches(contracts, variants);
  return {
    contracts: () => contracts.keys(),
    variants: () => variants.size,
    hasContract: (digest) => contracts.has(digest),
    hasVariant: (id) => variants.has(id),
    addContracts: (list) => {
      const added = list.filter(({ digest }) => !contracts.has(digest));
      // Many at once: one layout for all of them.
      if (added.length > AT_ONCE) {
        for (const { digest, contract } of added) contracts.set(digest, contract);
        for (const type of new Set(added.map(({ contract }) => typeOf(contract)))) {
          benches.rebuild(type);
        }
        return;
      }
      for (const { digest, contract } of added) {
        const { bench, guest } = benches.withGuest(contract);
        contracts.set(digest, contract);
        if (guest !== undefined) keep(bench, digest, guest);
      }
    },
    forget: (digests) => {
      const gone = new Set(digests.filter((digest) => contracts.delete(digest)));
      if (gone.size > 0) benches.forget(gone);
    },
    addVariants: (list) => {
      for (const { id, profile } of list) {
        if (variants.has(id)) continue;
        for (const type of benches.types()) {
          const { bench, node } = benches.withNode(type, profile);
          if (node !== undefined) bench.nodes.push({ id, prepared: node });
        }
        variants.set(id, profile);
      }
    },
    onVariant: ({ id, profile }, plans) =>
      benches.types().flatMap((type) => {
        const { bench, node } = benches.withNode(type, profile);
        if (node === undefined) return [];
        return [...bench.guests.values()].flatMap((guest) =>
          judgePair(bench, guest, { id, prepared: node }, plans),
        );
      }),
    ofContract: ({ digest, contract }, plans) => {
      const { bench, guest } = benches.withGuest(contract);
      if (guest === undefined) return [];
      const one: Guest = { prepared: guest, digests: [digest] };
      return bench.nodes.flatMap((node) => judgePair(bench, one, node, plans));
    },
  };
}
