/** `evenkeel e2b check`: does this E2B node have, and report, the pool's guest CPU? */
import { guestWord, prettyJson } from "@evenkeel/core";
import { checkE2b, HostError, templateDigest, type E2bOptions } from "@evenkeel/host";
import { openTemplate } from "@evenkeel/host/cpu-template";
import { profileLoader } from "../input/documents.ts";
import { readIfThere } from "../input/template.ts";
import { probeThisNode } from "../input/this-node.ts";
import { e2bReport } from "../render/e2b.ts";

export interface E2bCheckFlags {
  readonly at: string;
  readonly proc: string;
  readonly plan?: string;
  readonly pool?: string;
  readonly node?: string;
  readonly kvm?: string;
  readonly firecrackerDir?: string;
  readonly kernelDir?: string;
  readonly json?: boolean;
}

/** What the plan requires of this node. */
async function expectedOf(flags: E2bCheckFlags): Promise<E2bOptions["expected"]> {
  const { plan: path, pool, node, kvm } = flags;
  if (path === undefined) return undefined;
  const profile =
    node === undefined
      ? await probeThisNode(kvm === undefined ? {} : { kvm })
      : profileLoader()(node);
  const { choice, planned } = openTemplate({ kind: "plan", path }, readIfThere).forNode(profile);
  if (choice.kind !== "template" || planned === undefined) {
    throw new HostError("NODE_NOT_IN_PLAN", `${path} has no template for ${profile.name}`);
  }
  return { template: templateDigest(choice.template), model: guestWord(planned.plan, pool) };
}

export async function runE2bCheck(flags: E2bCheckFlags): Promise<number> {
  const { at, proc, plan = "PLAN", firecrackerDir, kernelDir, json } = flags;
  const expected = await expectedOf(flags);
  const findings = await checkE2b({
    at,
    proc,
    plan,
    ...(firecrackerDir === undefined ? {} : { firecrackers: firecrackerDir }),
    ...(kernelDir === undefined ? {} : { kernels: kernelDir }),
    ...(expected === undefined ? {} : { expected }),
  });
  const ok = findings.every((finding) => finding.ok);
  process.stdout.write(json === true ? prettyJson({ ok, findings }) : e2bReport(findings));
  return ok ? 0 : 1;
}
