/** The fleet's plan on this node: kept whole in a directory of its own, then used for cold boots. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, normalize } from "node:path";
import type { PlanFiles, PlanReference } from "@evenkeel/api";
import type { NodeProfile } from "@evenkeel/core";
import { readTextFile, resolveTemplate } from "@evenkeel/host";
import { z } from "zod";
import type { CpuShape } from "../cpu/shape.ts";
import { AgentError, messageOf } from "../errors.ts";
import { publish } from "../store/durable.ts";
import { keepFile, type FleetPaths } from "./identity.ts";

export const Reference = z.strictObject({
  pool: z.string(),
  version: z.int(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});

const Files = z.object({
  ...Reference.shape,
  plan: z.record(z.string(), z.unknown()),
  templates: z.record(z.string(), z.string()),
});

/** Throws BAD_PLAN where an answer is not the plan that was named. */
export function readPlanFiles(json: unknown, wanted: PlanReference): PlanFiles {
  const parsed = Files.safeParse(json);
  if (!parsed.success) throw new AgentError("BAD_PLAN", `the plan: ${parsed.error.message}`);
  const { plan, templates } = parsed.data;
  const digest = createHash("sha256").update(JSON.stringify({ plan, templates })).digest("hex");
  if (digest === wanted.digest) return { ...wanted, plan, templates };
  throw new AgentError("BAD_PLAN", `the plan of ${wanted.pool} has another digest than was named`);
}

/** Throws BAD_PLAN: a template's name must stay inside. */
function placeIn(directory: string, file: string): string {
  const relative = normalize(file);
  if (!isAbsolute(relative) && !relative.startsWith("..")) return join(directory, relative);
  throw new AgentError("BAD_PLAN", `the plan names the file "${file}"`);
}

/** Writes the plan under its digest, so that what has the name is whole. */
export async function keepPlan({ plans }: FleetPaths, files: PlanFiles): Promise<void> {
  const place = join(plans, files.digest);
  if (existsSync(place)) return;
  const staged = `${place}.tmp`;
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { recursive: true, mode: 0o700 });
  for (const [file, text] of Object.entries(files.templates)) {
    const path = placeIn(staged, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  writeFileSync(join(staged, "plan.json"), JSON.stringify(files.plan));
  await publish(staged, place);
}

interface Node {
  readonly profile: NodeProfile;
  /** Releases that are driven here. */
  readonly versions: readonly string[];
  readonly allowInsecure: boolean;
}

/**
 * The shape that a kept plan has for this node. Contracts name the plan by its digest, which is
 * the same on every node. Throws BAD_PLAN.
 */
export function shapeOfPlan({ plans }: FleetPaths, digest: string, node: Node): CpuShape {
  try {
    const request = { kind: "plan", path: join(plans, digest) } as const;
    return { ...resolveTemplate(request, { ...node, read: readTextFile }), plan: digest };
  } catch (cause) {
    throw new AgentError("BAD_PLAN", messageOf(cause), { cause });
  }
}

/** The plan that was applied before the agent was started again. */
export function appliedPlan({ applied: path }: FleetPaths): PlanReference | undefined {
  if (!existsSync(path)) return undefined;
  const parsed = Reference.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (parsed.success) return parsed.data;
  throw new AgentError("BAD_CONFIG", `${path}: ${parsed.error.message}`);
}

export async function noteApplied(
  paths: FleetPaths,
  reference: PlanReference | undefined,
): Promise<void> {
  if (reference === undefined) rmSync(paths.applied, { force: true });
  else await keepFile(paths, paths.applied, `${JSON.stringify(reference)}\n`);
}
