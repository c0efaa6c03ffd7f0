/** A change of the fleet simulated in parts, so that others are answered meanwhile. */
import { setImmediate as others } from "node:timers/promises";
import {
  afterChanges,
  simulateChange,
  type ChangeOutcome,
  type ContractOutcome,
  type FleetChange,
  type SimulatedFleet,
} from "@evenkeel/core";
import type { LoadedFleet } from "./fleet.ts";

/** Contracts that are judged at once, on every kind of node that is new. */
const PART = 50;
/** Whose obstacles are looked up: nobody reads more. */
const EXPLAINED = 100;

type Known = NonNullable<Parameters<typeof simulateChange>[2]>;

function partOf(fleet: SimulatedFleet, digests: readonly string[]): SimulatedFleet {
  const own = new Set(digests);
  return {
    ...fleet,
    contracts: new Map([...fleet.contracts].filter(([digest]) => own.has(digest))),
    snapshots: fleet.snapshots.filter(({ contract }) => own.has(contract)),
  };
}

function joined(parts: readonly ChangeOutcome[], nodes: { before: number; after: number }) {
  const all = (list: (part: ChangeOutcome) => readonly string[]) =>
    [...new Set(parts.flatMap(list))].toSorted();
  const [stranded, filesLost] = [all((part) => part.stranded), all((part) => part.filesLost)];
  return {
    nodesBefore: nodes.before,
    nodesAfter: nodes.after,
    contracts: parts.flatMap(({ contracts }) => contracts),
    stranded,
    filesLost,
    unknown: all((part) => part.unknown),
    waiting: all((part) => part.waiting),
    alreadyStranded: all((part) => part.alreadyStranded),
    regained: all((part) => part.regained),
    count: new Set([...stranded, ...filesLost]).size,
  } satisfies ChangeOutcome;
}

/** The index has verdicts without their reasons: what stands against a few is judged anew. */
function explained(
  fleet: SimulatedFleet,
  changes: readonly FleetChange[],
  contracts: readonly ContractOutcome[],
): ContractOutcome[] {
  const bare = contracts.filter(({ after }) => after.compatible === 0).slice(0, EXPLAINED);
  const digests = bare.map(({ contract }) => contract);
  const full = simulateChange(partOf(fleet, digests), changes).contracts;
  const obstacles = new Map(full.map((one) => [one.contract, one.obstacles]));
  return contracts.map((one) => ({ ...one, obstacles: obstacles.get(one.contract) ?? [] }));
}

/** Throws UNKNOWN_NODE, DUPLICATE_NODE. */
export async function outcomeOf(
  fleet: LoadedFleet,
  changes: readonly FleetChange[],
): Promise<ChangeOutcome> {
  const after = afterChanges(fleet.nodes, changes).length;
  const { index } = fleet;
  const known: Known = (contract, key, plan) => {
    if (!index.judged(contract, key)) return undefined;
    const verdict =
      plan === undefined ? index.verdict(contract, key) : index.underPlan(contract, key);
    return { verdict, findings: [] };
  };
  const digests = [...fleet.contracts.keys()];
  const parts: ChangeOutcome[] = [];
  for (let at = 0; at < digests.length; at += PART) {
    parts.push(simulateChange(partOf(fleet, digests.slice(at, at + PART)), changes, known));
    await others();
  }
  const outcome = joined(parts, { before: fleet.nodes.length, after });
  return { ...outcome, contracts: explained(fleet, changes, outcome.contracts) };
}
