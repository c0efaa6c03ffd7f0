/** `evenkeel verify` on aarch64: what KVM takes of a template, read back from a vCPU. */
import { join } from "node:path";
import {
  compareBoot,
  comparePlanned,
  findPlannedClass,
  prettyJson,
  templateArch,
  type CpuTemplate,
  type GuestCpu,
} from "@evenkeel/core";
import { bootArmLive, probe, withKvm } from "@evenkeel/host";
import { CliError } from "../errors.ts";
import { loadPlan, loadTemplate } from "../input/shape.ts";
import { namedTemplate } from "../input/templates.ts";
import { verifyReport, type Verified } from "../render/verify.ts";
import { isPlan, linesOf, type VerifyFlags } from "./verify-subject.ts";

interface Planned {
  readonly class: string;
  readonly file: string;
  readonly guest: GuestCpu;
  readonly lines: readonly string[];
  readonly notes: readonly string[];
}

interface Subject {
  readonly template: CpuTemplate;
  readonly planned: Planned | undefined;
}

/** The class that the plan names this node in, else the one of nodes like this. */
async function ofPlan(path: string, node: string, kvm: string): Promise<Subject> {
  const { plan, file } = loadPlan(path);
  if (plan.type !== "aarch64") {
    throw new CliError("USAGE", `${path} is a plan of x86 nodes, and this machine is aarch64`);
  }
  const alike = findPlannedClass(plan, await probe({ kvm, name: node }));
  const named = plan.classes.find(({ nodes }) => nodes.includes(node));
  const found = named ?? (alike.kind === "unknown" ? undefined : alike.planned);
  if (found === undefined) {
    const message = `${path} has neither a node "${node}" nor a class with this CPU`;
    throw new CliError("NODE_NOT_PLANNED", message);
  }
  const isAsPlanned = alike.kind === "found" && alike.planned.id === found.id;
  const notes = isAsPlanned
    ? []
    : [`The plan counts this node among ${found.id}, but its CPU is another: plan the pool again.`];
  const planned = {
    class: found.id,
    file: found.template,
    guest: plan.guest,
    lines: plan.firecracker,
    notes,
  };
  return { template: loadTemplate(join(file, "..", found.template)), planned };
}

async function subjectOf(what: string, node: string, kvm: string): Promise<Subject> {
  if (isPlan(what)) return ofPlan(what, node, kvm);
  const template = namedTemplate(what).templateFor("");
  if (templateArch(template) === "x86_64") {
    throw new CliError("USAGE", `${what} is for x86, and this machine is aarch64`);
  }
  return { template, planned: undefined };
}

/** Exit code 0 where the vCPU is what the template or plan says, else 1. */
export async function runVerifyArm(
  what: string,
  node: string,
  flags: VerifyFlags,
): Promise<number> {
  const { template, planned } = await subjectOf(what, node, flags.kvm);
  const firecracker = await linesOf(flags, planned?.lines);
  const { request, answer } = await withKvm(flags.kvm, (kvm) =>
    bootArmLive(kvm, firecracker.at(-1) ?? "", template),
  );
  const mismatches =
    planned === undefined
      ? compareBoot(request, answer)
      : comparePlanned(planned.guest, request, answer);
  const verified: Verified = {
    subject: what,
    node,
    class: planned?.class,
    template: planned?.file,
    notes: planned?.notes ?? [],
    // Every release writes the template's registers in the same way.
    firecracker,
    registers: planned?.guest.registers.length ?? request.registers.length,
    mismatches: mismatches.map((mismatch) => ({ ...mismatch, firecracker })),
  };
  process.stdout.write(flags.json === true ? prettyJson(verified) : verifyReport(verified));
  return mismatches.length === 0 ? 0 : 1;
}
