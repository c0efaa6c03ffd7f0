/** Which features KVM of a host kernel shows a guest. */
import type { Vendor } from "../tables/field.ts";
import type { FamilyModelStepping } from "../tables/models.ts";
import { isWithin } from "../tables/kernels.ts";
import { PASSED } from "./passed.ts";
import type { PassedRow } from "./row.ts";

export interface HostCpu {
  readonly vendor: Vendor;
  readonly signature: FamilyModelStepping;
  readonly features: ReadonlySet<string>;
}

function holdsFor(row: PassedRow, { vendor, signature, features }: HostCpu): boolean {
  const { families, models, exceptModels, steppingsTo, unless } = row;
  const { family, model, stepping } = signature;
  return (
    (row.vendor === undefined || row.vendor === vendor) &&
    (families === undefined || families.includes(family)) &&
    (models === undefined || models.includes(model)) &&
    exceptModels?.includes(model) !== true &&
    (steppingsTo === undefined || stepping <= steppingsTo) &&
    (unless === undefined || !features.has(unless))
  );
}

/** Names of what a guest sees of this CPU under a kernel release such as `6.1`. */
export function shownFeatures(cpu: HostCpu, kernel: string): Set<string> {
  const shown = new Set<string>();
  for (const row of PASSED) {
    if (!isWithin(row, kernel) || !holdsFor(row, cpu)) continue;
    const { from, features } = row;
    if (from !== "kvm" && from !== "hardware" && !from.every((name) => cpu.features.has(name))) {
      continue;
    }
    for (const name of features) {
      if (from !== "hardware" || cpu.features.has(name)) shown.add(name);
    }
  }
  return shown;
}

const passable = new Set(PASSED.flatMap(({ features }) => features));

export function isPassable(name: string): boolean {
  return passable.has(name);
}
