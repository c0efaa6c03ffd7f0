/** What a node's change means for new work on it. */
import { driftOf, type Drift, type NodeProfile } from "@evenkeel/core";
import { plannedNode, runningVersion } from "../pools/running.ts";
import type { Labels } from "../placement/fleet.ts";
import type { Queryable } from "../store/store.ts";
import { loadProfile } from "./profiles.ts";

/** Why a node gets no new work after a change; undefined where the change means nothing. */
function heldBecause({ matters, outcome, reasons, changes, snapshots }: Drift): string | undefined {
  if (!matters) return undefined;
  const seen = changes.seen.map(({ name }) => name);
  const found = snapshots.findings
    .filter(({ severity }) => severity !== "note")
    .map(({ name }) => name);
  const names = [...new Set([...reasons, ...seen, ...found])];
  const shown = names.slice(0, 6).join(", ");
  const more = names.length > 6 ? ` and ${names.length - 6} more` : "";
  return `drift: ${outcome}${shown === "" ? "" : `: ${shown}${more}`}`;
}

interface Judged {
  readonly drift: Drift;
  readonly held: string | undefined;
}

/** `baseline`: digest of the last profile of the node that nothing was held against. */
export async function judgeChange(
  tx: Queryable,
  { labels, baseline }: { readonly labels: Labels; readonly baseline: string },
  now: NodeProfile,
): Promise<Judged> {
  const before = await loadProfile(tx, baseline);
  const running = await runningVersion(tx, labels);
  const planned = running === undefined ? undefined : plannedNode(running, before);
  const drift = driftOf(before, now, planned);
  return { drift, held: heldBecause(drift) };
}
