/** Verdicts of many contracts on many nodes; nodes and guests that no rule tells apart share one. */
import { contractType, type CpuContract } from "../contract/contract.ts";
import { groupBy } from "../group.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { loadingVersion } from "../tables/releases.ts";
import { verdictKey } from "../verdict/entries.ts";
import { judgePrepared, type Judgement } from "../verdict/judge.ts";
import { guestKey, prepare } from "../verdict/prepare.ts";

export interface VerdictTable {
  /** A node's column. */
  readonly keyOf: (profile: NodeProfile) => string;
  readonly judgement: (contract: string, key: string) => Judgement;
}

type Row = ReadonlyMap<string, Judgement>;

/** What was judged before: by the contract and the node's `verdictKey`. */
export type Known = (contract: string, key: string) => Judgement | undefined;

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

export function verdictTable(
  contracts: ReadonlyMap<string, CpuContract>,
  profiles: Iterable<NodeProfile>,
  known: Known = () => undefined,
): VerdictTable {
  const keys = new Map<NodeProfile, string>();
  const variants = new Map<string, NodeProfile>();
  for (const profile of profiles) {
    const key = verdictKey(profile);
    keys.set(profile, key);
    const isKnown = () => [...contracts.keys()].every((contract) => known(contract, key));
    if (!variants.has(key) && !isKnown()) variants.set(key, profile);
  }
  const byType = groupBy([...contracts], ([, contract]) => contractType(contract));
  const rows = new Map([...byType.values()].flatMap((own) => rowsOf(own, variants)));
  return {
    keyOf: (profile) => keys.get(profile) ?? verdictKey(profile),
    judgement: (contract, key) =>
      // Nothing that was not judged is ever compatible.
      rows.get(contract)?.get(key) ?? known(contract, key) ?? { verdict: "unknown", findings: [] },
  };
}
