/** What `evenkeel verify` checks: a template or a plan, on this node, for which releases. */
import { compareLines, knownLine, knownVersions } from "@evenkeel/core";
import { probe } from "@evenkeel/host";
import type { LoadedTemplate } from "@evenkeel/host/cpu-template";
import { installedFirecrackers } from "../input/firecrackers.ts";
import { openNamed } from "../input/template.ts";
import type { Verified } from "../render/verify.ts";

export interface VerifyFlags {
  readonly firecracker?: readonly string[];
  readonly name?: string;
  readonly firecrackerDir?: string;
  readonly kvm: string;
  readonly json?: boolean;
}

/** The template of this node. A plan depends on what the node offers, so the node is probed. */
export async function templateHere(
  what: string,
  node: string,
  kvm: string,
): Promise<LoadedTemplate> {
  const source = openNamed(what);
  if (source.kind !== "plans") return source.forNode(undefined);
  return source.forNode(await probe({ kvm, name: node }));
}

/** The release lines asked for, else the plan's, else those of what is installed; oldest first. */
export async function linesOf(flags: VerifyFlags, { planned }: LoadedTemplate): Promise<string[]> {
  const asked = flags.firecracker?.flatMap((list) => list.split(","));
  const versions =
    asked ??
    planned?.plan.firecracker ??
    knownVersions((await installedFirecrackers(flags.firecrackerDir)).versions).lines;
  return [...new Set(versions.map(knownLine))].toSorted(compareLines);
}

/** What both architectures report alike. */
export function subjectIn(
  what: string,
  node: string,
  loaded: LoadedTemplate,
): Pick<Verified, "subject" | "node" | "class" | "template"> {
  const template = loaded.planned === undefined ? undefined : loaded.name;
  return { subject: what, node, class: loaded.class, template };
}
