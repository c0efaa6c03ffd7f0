/** `plan.json`: the plan as the file people keep (docs/formats.md). */
import { eachRegister, isZero } from "../cpuid.ts";
import { hexNumber, registerName } from "../format/address.ts";
import { formatBitmap } from "../template/bitmap.ts";
import { formatFms } from "../tables/models.ts";
import type { CpuType } from "../tables/field.ts";
import type { GivenUp } from "./costs.ts";
import type { GuestCpu } from "./guest-cpu.ts";
import type { Plan, PlannedClass } from "./plan.ts";

export const PLAN_SCHEMA = "evenkeel/pool-plan@1";

/** An entry of zeros only reads the same as one that is absent. */
function entriesJson({ cpuid }: GuestCpu) {
  return cpuid
    .filter(({ registers }) => !isZero(eachRegister((r) => registers[r].value)))
    .map(({ leaf, subleaf, registers }) => ({
      leaf: hexNumber(leaf),
      subleaf: hexNumber(subleaf),
      ...eachRegister((r) => formatBitmap(registers[r], 32)),
    }));
}

interface Format {
  readonly head: (plan: Plan) => object;
  readonly class: (planned: PlannedClass) => object;
  readonly givenUp: (given: GivenUp) => object;
  readonly guest: (guest: GuestCpu) => object;
  readonly tail: (plan: Plan) => object;
}

const X86: Format = {
  head: ({ type, firecracker, level, identity }) => ({
    arch: "x86_64",
    vendor: type,
    firecracker,
    level,
    identity: identity ?? null,
  }),
  class: ({ nodeClass: { model } }) => ({
    model: model.name,
    signature: model.signature && formatFms(model.signature),
  }),
  givenUp: ({ from: _from, to: _to, ...given }) => given,
  guest: (guest) => ({
    cpuid: entriesJson(guest),
    msrs: guest.registers.map((msr) => {
      return { addr: hexNumber(msr.id), bitmap: formatBitmap(msr, 64) };
    }),
  }),
  tail: ({ anomalies }) => ({ anomalies }),
};

const AARCH64: Format = {
  head: ({ firecracker }) => ({ arch: "aarch64", firecracker }),
  class: ({ nodeClass: { model } }) => ({ model: model.name }),
  givenUp: ({ reason, ...given }) => ({
    ...given,
    requires: reason.kind === "unused" ? reason.by.join(" or ") : undefined,
  }),
  guest: ({ registers }) => ({
    registers: registers.map((register) => ({
      id: hexNumber(register.id),
      name: registerName(register.id),
      bitmap: formatBitmap(register, 64),
    })),
  }),
  tail: () => ({}),
};

const FORMATS: Readonly<Record<CpuType, Format>> = { intel: X86, amd: X86, aarch64: AARCH64 };

/** The plan as plain data: what `plan.json` holds and what `--json` prints. */
export function planToJson(plan: Plan) {
  const format = FORMATS[plan.type];
  return {
    schema: PLAN_SCHEMA,
    ...format.head(plan),
    classes: plan.classes.map((planned) => ({
      id: planned.nodeClass.id,
      nodes: planned.nodeClass.nodes,
      template: planned.file,
      ...format.class(planned),
      kernels: planned.nodeClass.kernels,
      givesUp: planned.givesUp.map(format.givenUp),
    })),
    guestCpu: { features: plan.guest.features, ...format.guest(plan.guest) },
    united: plan.united,
    levelled: plan.levelled,
    masked: plan.masked,
    residuals: plan.residuals,
    ...format.tail(plan),
    warnings: plan.warnings,
    moves: plan.moves,
    proof: plan.proof,
  };
}
