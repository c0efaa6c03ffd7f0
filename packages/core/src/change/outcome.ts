/** What a change means for the snapshots that are kept: who can resume them before and after. */
import { groupBy } from "../group.ts";
import { compareText } from "../format/text.ts";
import type { Verdict } from "../verdict/finding.ts";
import {
  afterChanges,
  classNameOf,
  type FleetChange,
  type Room,
  type SimulatedFleet,
  type SimulatedNode,
} from "./fleet.ts";
import { countObstacles, type Obstacle } from "./obstacles.ts";
import { verdictTable, type Column, type Known, type VerdictTable } from "./table.ts";

/** Nodes by what the verdict on them is. */
type Tally = Readonly<Record<Verdict, number>>;

/**
 * - `kept`: some node can resume it before and after
 * - `stranded`: the change takes a node that can, and no open one is left
 * - `waiting`: only closed nodes can, and the change takes none of them
 * - `already`: no node can, before or after
 * - `regained`: no node can before, and some after
 */
type Fate = "kept" | "stranded" | "waiting" | "already" | "regained";

export interface ContractOutcome {
  readonly contract: string;
  readonly snapshots: readonly string[];
  readonly fate: Fate;
  readonly before: Tally;
  readonly after: Tally;
  /** Nodes that can resume it afterwards and get new work. */
  readonly open: number;
  /** Classes that can resume it afterwards, with their nodes. */
  readonly classes: readonly { readonly class: string; readonly nodes: number }[];
  /** What the nodes that can resume it have room for afterwards, together. */
  readonly room: Room;
  /** The one class left that can: losing it would strand the contract. */
  readonly lastClass: string | undefined;
  /** What stands against it, where no node is left; most nodes first. */
  readonly obstacles: readonly Obstacle[];
}

export interface ChangeOutcome {
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  /** Sorted by contract. */
  readonly contracts: readonly ContractOutcome[];
  /** Snapshots that the change takes the last open node from. Sorted, as all lists here. */
  readonly stranded: readonly string[];
  /** Of those, the ones whose verdict is `unknown` somewhere: a complete profile may save them. */
  readonly unknown: readonly string[];
  /** Snapshots whose only files are on nodes that go. */
  readonly filesLost: readonly string[];
  /** Snapshots that only closed nodes can resume, change or no change. */
  readonly waiting: readonly string[];
  readonly alreadyStranded: readonly string[];
  readonly regained: readonly string[];
  /** How many snapshots the change takes: stranded, or without files. */
  readonly count: number;
}

/** Nodes of a class that no rule tells apart, before or after. */
interface Group extends Column {
  readonly closed: boolean;
  readonly class: string;
  readonly nodes: number;
  readonly room: Room;
}

/** Nodes that the same happens to. `to`: undefined where they go. */
interface Way {
  readonly from: Column;
  readonly to: Column | undefined;
  /** They get no new work from now on. */
  readonly closes: boolean;
}

const NO_ROOM: Room = { sandboxes: 0, memoryMib: 0 };

function sum(rooms: Iterable<Room>): Room {
  let [sandboxes, memoryMib] = [0, 0];
  for (const room of rooms) {
    sandboxes += room.sandboxes;
    memoryMib += room.memoryMib;
  }
  return { sandboxes, memoryMib };
}

function groupsOf(nodes: readonly SimulatedNode[], { keyOf }: VerdictTable): Group[] {
  const textOf = ({ profile, plan = "", closed = false }: SimulatedNode) =>
    `${keyOf(profile)} ${plan} ${closed}`;
  return [...groupBy(nodes, textOf).values()].flatMap((members) => {
    const [first] = members;
    if (first === undefined) return [];
    const { profile, plan, closed = false } = first;
    const room = sum(members.map((node) => node.room ?? NO_ROOM));
    const [key, name] = [keyOf(profile), classNameOf(profile)];
    return [{ key, plan, closed, class: name, nodes: members.length, room }];
  });
}

function waysOf(
  before: readonly SimulatedNode[],
  after: readonly SimulatedNode[],
  { keyOf }: VerdictTable,
): Way[] {
  const left = new Map(after.map((node) => [node.profile.name, node]));
  const columnOf = ({ profile, plan }: SimulatedNode): Column => ({ key: keyOf(profile), plan });
  const ways = before.map((one): Way => {
    const node = left.get(one.profile.name);
    const closes = one.closed !== true && node?.closed === true;
    return { from: columnOf(one), to: node && columnOf(node), closes };
  });
  return [...new Map(ways.map((way) => [JSON.stringify(way), way])).values()];
}

function tallyOf(contract: string, groups: readonly Group[], { judgement }: VerdictTable): Tally {
  const tally = { compatible: 0, insecure: 0, incompatible: 0, unknown: 0 };
  for (const group of groups) tally[judgement(contract, group).verdict] += group.nodes;
  return tally;
}

function fateOf(could: boolean, open: number, takes: boolean, can: boolean): Fate {
  if (open > 0) return could ? "kept" : "regained";
  if (could && takes) return "stranded";
  return can ? "waiting" : "already";
}

function obstaclesOf(
  contract: string,
  groups: readonly Group[],
  { judgement }: VerdictTable,
): Obstacle[] {
  const judged = groups.map((group) => {
    const { nodes } = group;
    const { verdict, findings } = judgement(contract, group);
    return { verdict, nodes, findings: findings.filter(({ severity }) => severity !== "note") };
  });
  return countObstacles(judged).toSorted(
    (a, b) => b.nodes - a.nodes || compareText(a.name, b.name) || compareText(a.rule, b.rule),
  );
}

interface Sides {
  readonly table: VerdictTable;
  readonly before: readonly Group[];
  readonly after: readonly Group[];
  readonly ways: readonly Way[];
}

function outcomeOf(
  contract: string,
  snapshots: readonly string[],
  { table, before: groupsBefore, after: groupsAfter, ways }: Sides,
): ContractOutcome {
  const [before, after] = [groupsBefore, groupsAfter].map((groups) =>
    tallyOf(contract, groups, table),
  ) as [Tally, Tally];
  const fits = (column: Column) => table.judgement(contract, column).verdict === "compatible";
  const able = groupsAfter.filter((group) => !group.closed && fits(group));
  const open = able.reduce((count, { nodes }) => count + nodes, 0);
  const takes = ways.some(
    ({ from, to, closes }) => fits(from) && (to === undefined || closes || !fits(to)),
  );
  const classes = [...groupBy(able, (group) => group.class)]
    .map(([name, own]) => ({ class: name, nodes: own.reduce((n, { nodes }) => n + nodes, 0) }))
    .toSorted((a, b) => compareText(a.class, b.class));
  return {
    contract,
    snapshots: snapshots.toSorted(compareText),
    fate: fateOf(before.compatible > 0, open, takes, after.compatible > 0),
    before,
    after,
    open,
    classes,
    room: sum(able.map(({ room }) => room)),
    lastClass: classes.length === 1 ? classes[0]?.class : undefined,
    obstacles: after.compatible > 0 ? [] : obstaclesOf(contract, groupsAfter, table),
  };
}

function filesLost(fleet: SimulatedFleet, after: readonly SimulatedNode[]): string[] {
  const names = ({ profile }: SimulatedNode) => profile.name;
  const [there, left] = [new Set(fleet.nodes.map(names)), new Set(after.map(names))];
  return fleet.snapshots
    .filter(({ holders }) => {
      if (holders === undefined || !holders.some((holder) => there.has(holder))) return false;
      return !holders.some((holder) => left.has(holder));
    })
    .map(({ id }) => id)
    .toSorted(compareText);
}

/**
 * Simulates changes: nothing but the verdict decides, and only `compatible` counts as able.
 * `known`: verdicts that were made before by the same rules. Throws UNKNOWN_NODE, DUPLICATE_NODE.
 */
export function simulateChange(
  fleet: SimulatedFleet,
  changes: readonly FleetChange[],
  known?: Known,
): ChangeOutcome {
  const nodes = afterChanges(fleet.nodes, changes);
  const profiles = [...fleet.nodes, ...nodes].map(({ profile }) => profile);
  const table = verdictTable(fleet.contracts, profiles, known, fleet.plans);
  const sides = {
    table,
    before: groupsOf(fleet.nodes, table),
    after: groupsOf(nodes, table),
    ways: waysOf(fleet.nodes, nodes, table),
  };
  const byContract = groupBy(fleet.snapshots, ({ contract }) => contract);
  const contracts = [...fleet.contracts.keys()].toSorted(compareText).map((contract) => {
    const ids = (byContract.get(contract) ?? []).map(({ id }) => id);
    return outcomeOf(contract, ids, sides);
  });
  const of = (fate: Fate, filter: (one: ContractOutcome) => boolean = () => true) =>
    contracts
      .filter((outcome) => outcome.fate === fate && filter(outcome))
      .flatMap(({ snapshots }) => snapshots)
      .toSorted(compareText);
  const [stranded, lost] = [of("stranded"), filesLost(fleet, nodes)];
  return {
    nodesBefore: fleet.nodes.length,
    nodesAfter: nodes.length,
    contracts,
    stranded,
    unknown: of("stranded", ({ after }) => after.unknown > 0),
    filesLost: lost,
    waiting: of("waiting"),
    alreadyStranded: of("already"),
    regained: of("regained"),
    count: new Set([...stranded, ...lost]).size,
  };
}
