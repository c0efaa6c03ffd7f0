/** Verdicts of many contracts on many variants of nodes. Pure. */
import {
  guestKey,
  judgePrepared,
  loadingVersion,
  prepare,
  type CpuContract,
  type Finding,
  type NodeProfile,
  type Vendor,
  type Verdict,
} from "@evenkeel/core";

export interface KnownContract {
  readonly digest: string;
  readonly contract: CpuContract;
}

export interface KnownVariant {
  readonly id: string;
  /** Of one of its nodes: verdicts on all of them are the same. */
  readonly profile: NodeProfile;
}

export interface VerdictRow {
  readonly contract: string;
  readonly variant: string;
  readonly verdict: Verdict;
  /** What stands against it; notes are left out. */
  readonly findings: readonly Finding[];
}

/** The release that would load a snapshot there is the one that the node's agent would take. */
function judgeRow(
  bench: ReturnType<typeof prepare>,
  guest: ReturnType<typeof prepare>["contracts"][number],
  variants: readonly KnownVariant[],
): Omit<VerdictRow, "contract">[] {
  return bench.nodes.map((node, j) => {
    const version = loadingVersion(guest.contract, node.profile.firecracker);
    const { verdict, findings } = judgePrepared(bench, guest, node, version);
    const against = findings.filter(({ severity }) => severity !== "note");
    return { variant: variants[j]?.id ?? "", verdict, findings: against };
  });
}

function judgeVendor(
  vendor: Vendor,
  contracts: readonly KnownContract[],
  variants: readonly KnownVariant[],
): VerdictRow[] {
  const bench = prepare(
    vendor,
    // When a contract was made means nothing to a verdict, and would make each a guest of its own.
    contracts.map(({ contract }) => ({ ...contract, time: undefined })),
    variants.map(({ profile }) => profile),
  );
  const known = new Map<string, Omit<VerdictRow, "contract">[]>();
  return bench.contracts.flatMap((guest, i) => {
    const contract = contracts[i]?.digest ?? "";
    const key = guestKey(bench.layout, guest) ?? contract;
    const row = known.get(key) ?? judgeRow(bench, guest, variants);
    known.set(key, row);
    return row.map((verdict) => ({ contract, ...verdict }));
  });
}

/** Every contract on every variant. */
export function judgeAll(
  contracts: readonly KnownContract[],
  variants: readonly KnownVariant[],
): VerdictRow[] {
  if (variants.length === 0) return [];
  return (["intel", "amd"] as const).flatMap((vendor) => {
    const own = contracts.filter(({ contract }) => (contract.vendor ?? "intel") === vendor);
    return own.length === 0 ? [] : judgeVendor(vendor, own, variants);
  });
}
