/** `evenkeel verify`: does this machine really produce what the template or plan says? */
import { hostname } from "node:os";
import {
  compareBoot,
  comparePlanned,
  EMPTY_TEMPLATE,
  prettyJson,
  templateArch,
  type GuestCpu,
} from "@evenkeel/core";
import { bootLive, withKvm } from "@evenkeel/host";
import type { LoadedTemplate } from "@evenkeel/host/cpu-template";
import { CliError } from "../errors.ts";
import { verifyReport, type Verified } from "../render/verify.ts";
import { runVerifyArm } from "./verify-arm.ts";
import { linesOf, subjectIn, templateHere, type VerifyFlags } from "./verify-subject.ts";
import { mergeLines, refusedModels, type LineResult } from "./verify-results.ts";

function guestOf({ planned }: LoadedTemplate): GuestCpu | undefined {
  return planned?.plan.type === "aarch64" ? undefined : planned?.plan.guest;
}

/** Boots a vCPU per release line and compares. Throws what {@link withKvm} throws. */
async function verifyLines(
  loaded: LoadedTemplate,
  lines: readonly string[],
  what: string,
  kvm: string,
): Promise<LineResult[]> {
  const guest = guestOf(loaded);
  const alsoRead = guest?.registers.map(({ id }) => Number(id)) ?? [];
  return withKvm(kvm, (device) =>
    lines.map((line): LineResult => {
      const template = loaded.templateFor(line) ?? EMPTY_TEMPLATE;
      if (templateArch(template) === "aarch64") {
        throw new CliError("USAGE", `${what} is for aarch64, and this machine is x86`);
      }
      const live = bootLive(device, line, template, alsoRead);
      if (live === undefined) {
        throw new CliError("USAGE", "nothing is known about this CPU's vendor");
      }
      const { request, answer } = live;
      const mismatches =
        guest === undefined
          ? [...refusedModels(loaded.builtIn?.row, request), ...compareBoot(request, answer)]
          : comparePlanned(guest, request, answer);
      const registers = answer.cpuid.length * 4 + request.registers.length;
      return { line, registers, mismatches };
    }),
  );
}

export async function runVerify(what: string, flags: VerifyFlags): Promise<number> {
  const node = flags.name ?? hostname();
  if (process.arch === "arm64") return runVerifyArm(what, node, flags);
  const loaded = await templateHere(what, node, flags.kvm);
  const lines = await linesOf(flags, loaded);
  const results = await verifyLines(loaded, lines, what, flags.kvm);
  const verified: Verified = {
    ...subjectIn(what, node, loaded),
    firecracker: lines,
    registers: results.reduce((sum, { registers }) => sum + registers, 0),
    mismatches: mergeLines(results),
  };
  process.stdout.write(flags.json === true ? prettyJson(verified) : verifyReport(verified));
  return verified.mismatches.length === 0 ? 0 : 1;
}
