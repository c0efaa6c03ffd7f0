/** `evenkeel verify`: does this machine really produce what the template or plan says? */
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import {
  compareBoot,
  comparePlanned,
  prettyJson,
  templateArch,
  type CpuTemplate,
} from "@evenkeel/core";
import { bootLive, withKvm } from "@evenkeel/host";
import { CliError } from "../errors.ts";
import { loadPlan, loadTemplate } from "../input/shape.ts";
import { namedTemplate } from "../input/templates.ts";
import { verifyReport, type Verified } from "../render/verify.ts";
import { runVerifyArm } from "./verify-arm.ts";
import { isPlan, linesOf, type VerifyFlags } from "./verify-subject.ts";
import { plannedClassOf, type PlannedClass } from "./verify-class.ts";
import { mergeLines, refusedModels, type LineResult } from "./verify-results.ts";

/** What is to be verified. */
interface Subject {
  readonly templateFor: (line: string) => CpuTemplate;
  readonly builtIn: ReturnType<typeof namedTemplate>["builtIn"];
  /** A plan's class of this node, and its guest. */
  readonly planned: PlannedClass | undefined;
  /** Release lines that a plan is for. */
  readonly lines: readonly string[] | undefined;
}

async function subjectOf(what: string, node: string, kvm: string): Promise<Subject> {
  if (!isPlan(what)) return { ...namedTemplate(what), planned: undefined, lines: undefined };
  const { plan, file } = loadPlan(what);
  const planned = await plannedClassOf(plan, what, node, kvm);
  const template = loadTemplate(join(dirname(file), planned.template));
  return { templateFor: () => template, builtIn: undefined, planned, lines: plan.firecracker };
}

function refuseArm(template: CpuTemplate, what: string): void {
  if (templateArch(template) === "aarch64") {
    throw new CliError("USAGE", `${what} is for aarch64, and this machine is x86`);
  }
}

/** Boots a vCPU per release line and compares. Throws what {@link withKvm} throws. */
async function verifyLines(
  subject: Subject,
  lines: readonly string[],
  what: string,
  kvm: string,
): Promise<LineResult[]> {
  const guest = subject.planned?.guest;
  const alsoRead = guest?.registers.map(({ id }) => Number(id)) ?? [];
  return withKvm(kvm, (device) =>
    lines.map((line): LineResult => {
      const template = subject.templateFor(line);
      refuseArm(template, what);
      const live = bootLive(device, line, template, alsoRead);
      if (live === undefined) {
        throw new CliError("USAGE", "nothing is known about this CPU's vendor");
      }
      const { request, answer } = live;
      const mismatches =
        guest === undefined
          ? [...refusedModels(subject.builtIn, request), ...compareBoot(request, answer)]
          : comparePlanned(guest, request, answer);
      const registers = answer.cpuid.length * 4 + request.registers.length;
      return { line, registers, mismatches };
    }),
  );
}

export async function runVerify(what: string, flags: VerifyFlags): Promise<number> {
  const node = flags.name ?? hostname();
  if (process.arch === "arm64") return runVerifyArm(what, node, flags);
  const subject = await subjectOf(what, node, flags.kvm);
  const lines = await linesOf(flags, subject.lines);
  const results = await verifyLines(subject, lines, what, flags.kvm);
  const verified: Verified = {
    subject: what,
    node,
    class: subject.planned?.id,
    template: subject.planned?.template,
    notes: subject.planned?.notes ?? [],
    firecracker: lines,
    registers: results.reduce((sum, { registers }) => sum + registers, 0),
    mismatches: mergeLines(results),
  };
  process.stdout.write(flags.json === true ? prettyJson(verified) : verifyReport(verified));
  return verified.mismatches.length === 0 ? 0 : 1;
}
