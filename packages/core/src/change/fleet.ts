/** A fleet on paper: its nodes, the snapshots that are kept, and changes of it. */
import type { CpuContract } from "../contract/contract.ts";
import { fail } from "../errors.ts";
import { listOf } from "../format/text.ts";
import type { PlanFile } from "../plan/find-class.ts";
import { classId } from "../profile/class.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { verdictKey } from "../verdict/entries.ts";

/** What the guests of a node may have together. */
export interface Room {
  readonly sandboxes: number;
  readonly memoryMib: number;
}

/** A node is called what its profile is called. */
export interface SimulatedNode {
  readonly profile: NodeProfile;
  readonly room?: Room;
  /** It gets no new work: what it could resume is there, and nobody can have it. */
  readonly closed?: boolean;
  /** Digest of the plan that it applies. */
  readonly plan?: string | undefined;
}

interface KeptSnapshot {
  readonly id: string;
  /** A key of the fleet's contracts. */
  readonly contract: string;
  /** Nodes that hold its files; undefined: they are kept elsewhere. */
  readonly holders?: readonly string[];
}

export interface SimulatedFleet {
  readonly nodes: readonly SimulatedNode[];
  readonly contracts: ReadonlyMap<string, CpuContract>;
  readonly snapshots: readonly KeptSnapshot[];
  /** By digest, those in which something was accepted: nodes that apply one honor its contracts. */
  readonly plans?: ReadonlyMap<string, PlanFile>;
}

export type FleetChange =
  /** Nodes by name, or all nodes of a class by its id. */
  | { readonly kind: "remove"; readonly nodes: readonly string[] }
  | { readonly kind: "add"; readonly nodes: readonly SimulatedNode[] }
  /**
   * An upgrade, or a drift: a node, or every node of a class, is like this profile from now on. It
   * keeps its name and its room.
   */
  | { readonly kind: "replace"; readonly nodes: string; readonly profile: NodeProfile }
  /** Every node has these Firecracker releases, and no others. */
  | { readonly kind: "firecracker"; readonly versions: readonly string[] };

/** The class of a node by itself; where nothing is known of its vendor, what a verdict sees of it. */
export function classNameOf(profile: NodeProfile): string {
  return classId(profile) ?? `${profile.cpu.arch}-${verdictKey(profile).slice(0, 6)}`;
}

function named(nodes: readonly SimulatedNode[], wanted: string): ReadonlySet<string> {
  const own = nodes.filter(({ profile }) => profile.name === wanted);
  const found =
    own.length > 0 ? own : nodes.filter(({ profile }) => classNameOf(profile) === wanted);
  if (found.length > 0) return new Set(found.map(({ profile }) => profile.name));
  const classes = [...new Set(nodes.map(({ profile }) => classNameOf(profile)))].toSorted();
  return fail(
    "UNKNOWN_NODE",
    `no node and no class is called "${wanted}"; classes: ${listOf(classes)}`,
  );
}

function refuseTwice(nodes: readonly SimulatedNode[]): void {
  const seen = new Set<string>();
  for (const { profile } of nodes) {
    if (seen.has(profile.name)) fail("DUPLICATE_NODE", `two nodes are called "${profile.name}"`);
    seen.add(profile.name);
  }
}

function replaced(
  nodes: readonly SimulatedNode[],
  { nodes: wanted, profile }: Extract<FleetChange, { kind: "replace" }>,
): readonly SimulatedNode[] {
  const names = named(nodes, wanted);
  return nodes.map((node) => {
    const { name } = node.profile;
    return names.has(name) ? { ...node, profile: { ...profile, name } } : node;
  });
}

/** Throws UNKNOWN_NODE. */
function changed(nodes: readonly SimulatedNode[], change: FleetChange): readonly SimulatedNode[] {
  if (change.kind === "add") return [...nodes, ...change.nodes];
  if (change.kind === "replace") return replaced(nodes, change);
  if (change.kind === "remove") {
    const gone = new Set(change.nodes.flatMap((wanted) => [...named(nodes, wanted)]));
    return nodes.filter(({ profile }) => !gone.has(profile.name));
  }
  const { versions } = change;
  return nodes.map((node) => ({ ...node, profile: { ...node.profile, firecracker: versions } }));
}

/** The nodes after some changes, one after the other. Throws UNKNOWN_NODE, DUPLICATE_NODE. */
export function afterChanges(
  nodes: readonly SimulatedNode[],
  changes: readonly FleetChange[],
): readonly SimulatedNode[] {
  refuseTwice(nodes);
  const after = changes.reduce(changed, nodes);
  refuseTwice(after);
  return after;
}
