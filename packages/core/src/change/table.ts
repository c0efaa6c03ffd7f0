/** Verdicts of many contracts on many nodes; nodes and guests that no rule tells apart share one. */
import { contractType, type CpuContract } from "../contract/contract.ts";
import { groupBy } from "../group.ts";
import { honourAccepted } from "../plan/accepted.ts";
import { findPlannedClass, type PlanFile } from "../plan/find-class.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { loadingVersion } from "../tables/releases.ts";
import { verdictKey } from "../verdict/entries.ts";
import { judgePrepared, type Judgement } from "../verdict/judge.ts";
import { guestKey, prepare } from "../verdict/prepare.ts";

/** What a judgement depends on of a node: its `verdictKey`, and the plan that it applies. */
export interface Column {
  readonly key: string;
  /** By digest. */
  readonly plan: string | undefined;
}

export interface VerdictTable {
  readonly keyOf: (profile: NodeProfile) => string;
  readonly judgement: (contract: string, column: Column) => Judgement;
}

type Row = ReadonlyMap<string, Judgement>;

/** What was judged before, with what was accepted in the plan where one is named. */
export type Known = (contract: string, key: string, plan?: string) => Judgement | undefined;

function rowsOf(
  contracts: readonly (readonly [string, CpuContract])[],
  variants: ReadonlyMap<string, NodeProfile>,
): (readonly [string, Row])[] {
  const [first] = contracts;
  if (first === undefined) return [];
  const keys = [...variants.keys()];
  const bench = prepare(
    contractType(first[1]),
    // When a contract was made means nothing to a verdict, and would make each a guest of its own.
    contracts.map(([, contract]) => ({ ...contract, time: undefined })),
    [...variants.values()],
  );
  const known = new Map<string, Row>();
  return bench.contracts.map((guest, i) => {
    const id = contracts[i]?.[0] ?? "";
    const key = guestKey(bench.layout, guest);
    const row =
      known.get(key) ??
      new Map(
        bench.nodes.map((node, j) => {
          const version = loadingVersion(guest.contract, node.profile.firecracker);
          return [keys[j] ?? "", judgePrepared(bench, guest, node, version)];
        }),
      );
    known.set(key, row);
    return [id, row] as const;
  });
}

/** With what was accepted when the contract's own plan was made, on a node that applies it. */
export function underPlan(
  judged: Judgement,
  contract: CpuContract,
  { plan, profile }: { readonly plan: PlanFile; readonly profile: NodeProfile },
): Judgement {
  if (plan.accepted === undefined || judged.verdict === "compatible") return judged;
  const match = findPlannedClass(plan, profile);
  if (match.kind !== "found") return judged;
  return honourAccepted(judged, contract, {
    class: match.planned.id,
    ...(contract.plan === undefined ? {} : { plan: contract.plan }),
    accepted: plan.accepted,
  });
}

export function verdictTable(
  contracts: ReadonlyMap<string, CpuContract>,
  profiles: Iterable<NodeProfile>,
  known: Known = () => undefined,
  plans: ReadonlyMap<string, PlanFile> = new Map(),
): VerdictTable {
  const keys = new Map<NodeProfile, string>();
  const [variants, all] = [new Map<string, NodeProfile>(), new Map<string, NodeProfile>()];
  for (const profile of profiles) {
    const key = verdictKey(profile);
    keys.set(profile, key);
    all.set(key, profile);
    const isKnown = () => [...contracts.keys()].every((contract) => known(contract, key));
    if (!variants.has(key) && !isKnown()) variants.set(key, profile);
  }
  const byType = groupBy([...contracts], ([, contract]) => contractType(contract));
  const rows = new Map([...byType.values()].flatMap((own) => rowsOf(own, variants)));
  // Nothing that was not judged is ever compatible.
  const unjudged: Judgement = { verdict: "unknown", findings: [] };
  return {
    keyOf: (profile) => keys.get(profile) ?? verdictKey(profile),
    judgement: (id, { key, plan: digest }) => {
      const contract = contracts.get(id);
      const own = digest !== undefined && contract?.plan === digest ? digest : undefined;
      const judged = rows.get(id)?.get(key);
      if (judged === undefined) return known(id, key, own) ?? unjudged;
      const [plan, profile] = [plans.get(own ?? ""), all.get(key)];
      if (contract === undefined || plan === undefined || profile === undefined) return judged;
      return underPlan(judged, contract, { plan, profile });
    },
  };
}
