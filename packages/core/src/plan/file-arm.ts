/** `plan.json` of an aarch64 pool (docs/formats.md). */
import { armRegisterName } from "../tables/arm/lookup.ts";
import { hexNumber } from "../format/address.ts";
import { formatBitmap } from "../template/bitmap.ts";
import { PLAN_SCHEMA } from "./file.ts";
import type { JudgedArmPlan } from "./plan-any.ts";

export function armPlanToJson(plan: JudgedArmPlan) {
  return {
    schema: PLAN_SCHEMA,
    arch: plan.arch,
    firecracker: plan.firecracker,
    classes: plan.classes.map(({ armClass: c, file, givesUp }) => ({
      id: c.id,
      nodes: c.nodes,
      template: file,
      model: c.model,
      kernels: c.kernels,
      givesUp,
    })),
    guestCpu: {
      features: plan.guest.features,
      registers: plan.guest.registers.map((register) => ({
        id: hexNumber(register.id),
        name: armRegisterName(register.id),
        bitmap: formatBitmap(register, 64),
      })),
    },
    united: plan.united,
    levelled: plan.levelled,
    masked: plan.masked,
    residuals: plan.residuals,
    warnings: plan.warnings,
    moves: plan.moves,
    proof: plan.proof,
  };
}
