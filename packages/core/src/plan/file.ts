/** `plan.json`: the plan as the file people keep (docs/formats.md). */
import { hexNumber } from "../format/address.ts";
import { formatBitmap } from "../template/bitmap.ts";
import { formatFms } from "../tables/models.ts";
import { modelName } from "../profile/class.ts";
import type { GuestCpu } from "./guest.ts";
import type { Plan } from "./plan.ts";

export const PLAN_SCHEMA = "evenkeel/pool-plan@1";

/** Words of the guest CPU; an entry of zeros only reads the same as one that is absent. */
function guestJson({ cpuid, msrs, features }: GuestCpu) {
  return {
    features,
    cpuid: cpuid
      .filter(({ registers: r }) => (r.eax.value | r.ebx.value | r.ecx.value | r.edx.value) !== 0)
      .map(({ leaf, subleaf, registers: r }) => ({
        leaf: hexNumber(leaf),
        subleaf: hexNumber(subleaf),
        eax: formatBitmap(r.eax, 32),
        ebx: formatBitmap(r.ebx, 32),
        ecx: formatBitmap(r.ecx, 32),
        edx: formatBitmap(r.edx, 32),
      })),
    msrs: msrs.map((m) => ({ addr: hexNumber(m.addr), bitmap: formatBitmap(m, 64) })),
  };
}

/** The plan as plain data: what `plan.json` holds and what `--json` prints. */
export function planToJson(plan: Plan) {
  return {
    schema: PLAN_SCHEMA,
    arch: "x86_64",
    vendor: plan.vendor,
    firecracker: plan.firecracker,
    level: plan.level,
    identity: plan.identity ?? null,
    classes: plan.classes.map(({ nodeClass: c, file, givesUp }) => ({
      id: c.id,
      nodes: c.nodes,
      template: file,
      model: modelName(c.vendor, c.signature),
      signature: formatFms(c.signature),
      kernels: c.kernels,
      givesUp,
    })),
    guestCpu: guestJson(plan.guest),
    united: plan.united,
    levelled: plan.levelled,
    masked: plan.masked,
    residuals: plan.residuals,
    anomalies: plan.anomalies,
    warnings: plan.warnings,
    moves: plan.moves,
    proof: plan.proof,
  };
}
