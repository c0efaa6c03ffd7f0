/** The fleet's plans on this node: each stored unchanged in a file named by its digest. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { PlanReference } from "@evenkeel/api";
import type { NodeProfile } from "@evenkeel/core";
import { resolveTemplate } from "@evenkeel/host";
import { z } from "zod";
import type { CpuShape } from "../cpu/shape.ts";
import { AgentError, messageOf } from "../errors.ts";
import { sync, replaceFile } from "../store/durable.ts";
import { isSame, Reference } from "./orders.ts";
import type { FleetPaths } from "./identity.ts";

const Content = z.object({
  plan: z.record(z.string(), z.unknown()),
  templates: z.record(z.string(), z.string()),
});
type Content = z.infer<typeof Content>;
const Files = z.object({ ...Reference.shape, ...Content.shape });

/** The text that a plan's digest is of. */
function textOf({ plan, templates }: Content): string {
  return JSON.stringify({ plan, templates });
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The text of the named plan; throws SERVER_REFUSED if the answer is something else. */
export function readPlanFiles(json: unknown, wanted: PlanReference): string {
  const parsed = Files.safeParse(json);
  if (!parsed.success) {
    throw new AgentError("SERVER_REFUSED", `the plan: ${parsed.error.message.slice(0, 500)}`);
  }
  const text = textOf(parsed.data);
  if (isSame(parsed.data, wanted) && digestOf(text) === wanted.digest) return text;
  const named = `version ${wanted.version} of ${wanted.pool}`;
  throw new AgentError("SERVER_REFUSED", `the plan is not the requested one (${named})`);
}

function fileOf({ plans }: FleetPaths, digest: string): string {
  return join(plans, `${digest}.json`);
}

/** Whether a plan is on this node, unchanged. */
export function hasPlan(paths: FleetPaths, digest: string): boolean {
  const file = fileOf(paths, digest);
  return existsSync(file) && digestOf(readFileSync(file, "utf8")) === digest;
}

export async function keepPlan(paths: FleetPaths, digest: string, text: string): Promise<void> {
  const file = fileOf(paths, digest);
  replaceFile(file, text);
  await sync(file);
  await sync(paths.plans);
}

/** Removes all other plans. */
export function dropPlans({ plans }: FleetPaths, kept: readonly (PlanReference | null)[]): void {
  const names = new Set(kept.flatMap((one) => (one === null ? [] : [`${one.digest}.json`])));
  for (const name of readdirSync(plans)) {
    if (!names.has(name)) rmSync(join(plans, name), { recursive: true, force: true });
  }
}

interface Node {
  readonly profile: NodeProfile;
  /** The releases that this agent drives. */
  readonly versions: readonly string[];
  readonly allowInsecure: boolean;
}

/**
 * The shape that a stored plan gives this node. Contracts name the plan by its digest, which is the
 * same on every node. Throws BAD_PLAN, also for a file that was changed.
 */
export function shapeOfPlan(paths: FleetPaths, digest: string, node: Node): CpuShape {
  try {
    const text = readFileSync(fileOf(paths, digest), "utf8");
    if (digestOf(text) !== digest) throw new Error("its file differs from what was downloaded");
    const { plan, templates } = Content.parse(JSON.parse(text));
    const files = new Map([[join(paths.plans, "plan.json"), JSON.stringify(plan)]]);
    for (const [name, template] of Object.entries(templates)) {
      files.set(join(paths.plans, name), template);
    }
    const request = { kind: "plan", path: paths.plans } as const;
    const read = (path: string) => files.get(path);
    return { ...resolveTemplate(request, { ...node, read }), plan: digest };
  } catch (cause) {
    throw new AgentError("BAD_PLAN", messageOf(cause), { cause });
  }
}
