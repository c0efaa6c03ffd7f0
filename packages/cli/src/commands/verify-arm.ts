/** `evenkeel verify` on aarch64: writes a template to a vCPU and reads it back. */
import {
  compareBoot,
  comparePlanned,
  EMPTY_TEMPLATE,
  prettyJson,
  templateArch,
  type GuestCpu,
} from "@evenkeel/core";
import { bootArmLive, withKvm } from "@evenkeel/host";
import type { LoadedTemplate } from "@evenkeel/host/cpu-template";
import { CliError } from "../errors.ts";
import { verifyReport, type Verified } from "../render/verify.ts";
import { linesOf, subjectIn, templateHere, type VerifyFlags } from "./verify-subject.ts";

function guestOf({ planned }: LoadedTemplate): GuestCpu | undefined {
  return planned?.plan.type === "aarch64" ? planned.plan.guest : undefined;
}

/** Exit code 0 if the vCPU is what the template or plan says, else 1. */
export async function runVerifyArm(
  what: string,
  node: string,
  flags: VerifyFlags,
): Promise<number> {
  const loaded = await templateHere(what, node, flags.kvm);
  const firecracker = await linesOf(flags, loaded);
  const template = loaded.templateFor(firecracker.at(-1) ?? "") ?? EMPTY_TEMPLATE;
  if (templateArch(template) === "x86_64") {
    throw new CliError("USAGE", `${what} is for x86, and this machine is aarch64`);
  }
  const { request, answer } = await withKvm(flags.kvm, (kvm) =>
    bootArmLive(kvm, firecracker.at(-1) ?? "", template),
  );
  const guest = guestOf(loaded);
  const mismatches =
    guest === undefined ? compareBoot(request, answer) : comparePlanned(guest, request, answer);
  const verified: Verified = {
    ...subjectIn(what, node, loaded),
    // Every release writes the template's registers in the same way.
    firecracker,
    registers: guest?.registers.length ?? request.registers.length,
    mismatches: mismatches.map((mismatch) => ({ ...mismatch, firecracker })),
  };
  process.stdout.write(flags.json === true ? prettyJson(verified) : verifyReport(verified));
  return mismatches.length === 0 ? 0 : 1;
}
