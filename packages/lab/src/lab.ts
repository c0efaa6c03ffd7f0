/**
 * The lab: emulates a mixed pool, moves guests across it, and compares predictions with reality.
 */
import {
  planPool as planNodes,
  vendorOfCpu,
  type CpuTemplate,
  type NodeProfile,
  type Plan,
  type Refusal,
} from "@evenkeel/core";
import { findKernel } from "@evenkeel/host";
import { withAgents, type Member } from "./agents.ts";
import { LabError } from "./errors.ts";
import { guestImage } from "./image.ts";
import { moveAll, type Moves } from "./moves.ts";
import type { LabNode } from "./node.ts";
import { mapParallel } from "./parallel.ts";
import type { LabBoot, LabGrid, LabResult, ProbedNode } from "./result.ts";
import { station as openStation, withSite, type Site, type Station } from "./site.ts";
import { probe, take, type Shape } from "./takes.ts";

export type LabPool =
  | { readonly kind: "plan" }
  | { readonly kind: "none" }
  | { readonly kind: "template"; readonly name: string; readonly template: CpuTemplate };

export interface LabOptions {
  readonly nodes: readonly LabNode[];
  readonly pool: LabPool;
  /** A kernel's path; else one is found. */
  readonly kernel: string | undefined;
  /** An initramfs or a static program instead of the canary. */
  readonly image: string | undefined;
  readonly rounds: number;
  readonly ticks: number;
  readonly parallel: number;
  readonly report: (line: string) => void;
  readonly signal: AbortSignal;
}

function sinceText(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

async function probeAll(
  site: Site,
  stations: readonly Station[],
  { parallel, report }: LabOptions,
): Promise<{ readonly station: Station; readonly probed: ProbedNode }[]> {
  return mapParallel(stations, parallel, async (station) => {
    const start = performance.now();
    const probed = await probe(site, station);
    report(
      `${probed.name}: probed from inside, ${probed.executes.length} instructions tried (${sinceText(start)})`,
    );
    return { station, probed };
  });
}

/** Nodes whose snapshots could be interchangeable: of one vendor, and at least two. */
function byVendor<T extends { readonly probed: ProbedNode }>(members: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const member of members) {
    const vendor = vendorOfCpu(member.probed.cpuid) ?? "unknown";
    groups.set(vendor, [...(groups.get(vendor) ?? []), member]);
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

function shapesOf(plan: Plan): Map<string, Shape> {
  return new Map(
    plan.classes.flatMap(({ nodeClass, template }) =>
      nodeClass.nodes.map(
        (name) => [name, { name: "plan", template, planned: plan.guest }] as const,
      ),
    ),
  );
}

interface Pooled {
  readonly member: Member;
  readonly shape: Shape;
}

interface Pool {
  readonly name: string;
  readonly members: readonly Pooled[];
  readonly refusals: readonly Refusal[];
}

/** One plan per vendor, for QEMU of this version. */
function planPool(members: readonly Member[], report: (line: string) => void): Pool {
  const pooled: Pooled[] = [];
  const refusals: Refusal[] = [];
  for (const group of byVendor(members)) {
    const profiles = group.map(({ probed }) => probed.profile);
    const result = planNodes(profiles, { identity: "oldest", firecracker: linesOf(profiles) });
    if (!result.ok) refusals.push(...result.refusals);
    else {
      const { guest, classes, proof } = result.plan;
      report(
        `Planned ${classes.length} classes: ${guest.features.length} features for every guest, ${proof.registers} registers compared`,
      );
      const shapes = shapesOf(result.plan);
      for (const member of group) {
        const shape = shapes.get(member.probed.name);
        if (shape !== undefined) pooled.push({ member, shape });
      }
    }
  }
  return { name: "plan", members: pooled, refusals };
}

function linesOf(profiles: readonly NodeProfile[]): string[] {
  const versions = profiles.flatMap(({ firecracker }) => firecracker);
  return [...new Set(versions.map((version) => version.split(".").slice(0, 2).join(".")))];
}

function samePool(
  members: readonly Member[],
  name: string,
  template: CpuTemplate | undefined,
): Pool {
  const shape = { name, template, planned: undefined };
  const grouped = byVendor(members).flat();
  return { name, members: grouped.map((member) => ({ member, shape })), refusals: [] };
}

/**
 * Takes a snapshot on each node, moves it to every other, and compares what happens with the
 * verdicts.
 */
async function runGrid(site: Site, pool: Pool, options: LabOptions): Promise<LabGrid> {
  const boots: LabBoot[] = [];
  const taken = await mapParallel(pool.members, options.parallel, async ({ member, shape }) => {
    const { boot, taken: snapshot } = await take(site, member, shape);
    boots.push(boot);
    options.report(`${boot.node}: snapshot taken with ${pool.name}`);
    return snapshot;
  });
  const pairs = await moveAll(site, taken, options satisfies Moves);
  return { pool: pool.name, boots, pairs, refusals: pool.refusals };
}

async function runGrids(site: Site, options: LabOptions, members: readonly Member[]) {
  const { pool, report } = options;
  const grids: LabGrid[] = [];
  report("Without a plan: every snapshot to every other node …");
  grids.push(await runGrid(site, samePool(members, "none", undefined), options));
  if (pool.kind === "none") return grids;
  const shaped =
    pool.kind === "plan" ? planPool(members, report) : samePool(members, pool.name, pool.template);
  report(`With ${pool.kind === "plan" ? "the plan" : pool.name}: the same again …`);
  grids.push(await runGrid(site, shaped, options));
  return grids;
}

/**
 * Runs the lab. Throws NO_QEMU, NO_KERNEL, NO_CPU_MODEL, BAD_IMAGE, FEW_NODES, GUEST_FAILED, and
 * INTERRUPTED if the signal was aborted. In any case no process and no file is left behind.
 */
export async function runLab(options: LabOptions): Promise<LabResult> {
  const { nodes, report, signal, rounds } = options;
  if (nodes.length < 2) throw new LabError("FEW_NODES", "a single node has nowhere to move to");
  const start = performance.now();
  const stations = await Promise.all(nodes.map((node, i) => openStation(node, `n${i}`)));
  const image = await guestImage(options.image);
  const given = options.kernel === undefined ? {} : { given: options.kernel };
  const kernel = await findKernel({ ...given, report, signal });
  return withSite(image, kernel.path, signal, async (site) => {
    const probed = await probeAll(site, stations, options);
    if (byVendor(probed).length === 0) {
      throw new LabError(
        "FEW_NODES",
        "no two nodes have the same vendor, and snapshots never move between vendors",
      );
    }
    const grids = await withAgents(site, probed, (members) => runGrids(site, options, members));
    return {
      qemu: stations[0]?.driver.version ?? "",
      kernel: kernel.release ?? kernel.path,
      guest: options.image ?? "canary",
      rounds,
      nodes: probed.map((node) => node.probed),
      grids,
      seconds: (performance.now() - start) / 1000,
    };
  });
}
