/** The steps of a plan that each architecture takes in its own way; all others are the same. */
import type { GuestView } from "../firecracker/simulate.ts";
import { OWN_REGISTERS, showsOwnRegisters } from "../profile/arm/facts.ts";
import type { NodeClass } from "../profile/class.ts";
import type { NodeProfile } from "../profile/profile.ts";
import type { CpuType } from "../tables/field.ts";
import { levelOf } from "../tables/levels.ts";
import type { CpuTemplate } from "../template/template.ts";
import { anomalyWarnings, type Anomaly } from "./anomalies.ts";
import { armTemplates } from "./arm/emit.ts";
import { armResiduals } from "./arm/residuals.ts";
import { armWarnings } from "./arm/warnings.ts";
import type { Residual } from "./costs.ts";
import type { GuestCpu } from "./guest-cpu.ts";
import { identityWarnings, type Identity, type IdentityPolicy } from "./identity.ts";
import type { Merged } from "./merge.ts";
import type { Emitted, Proof } from "./prove.ts";
import { estimateWarnings, floorWarnings } from "./warnings.ts";
import { x86Templates } from "./x86/emit.ts";
import { x86Residuals } from "./x86/residuals.ts";

export interface Pool {
  readonly classes: readonly NodeClass[];
  /** What each class's guests would see without a template. */
  readonly views: readonly GuestView[];
  readonly merged: Merged;
  readonly lines: readonly string[];
  readonly guest: GuestCpu;
  readonly emitted: readonly Emitted[];
  readonly proof: Proof;
  /** What the operator asked for, and the identity that came of it. */
  readonly policy: IdentityPolicy;
  readonly identity: Identity | undefined;
  /** Undefined on aarch64, where toolchains have no such levels. */
  readonly level: string | undefined;
  readonly anomalies: readonly Anomaly[];
}

interface Steps {
  /** Why no plan can be made for a node, besides what its profile lacks. */
  readonly obstacles: (profile: NodeProfile) => readonly string[];
  /** The highest level of the toolchains' that the features reach. */
  readonly level: (features: ReadonlySet<string>) => string | undefined;
  readonly templates: (
    classes: readonly NodeClass[],
    guest: GuestCpu,
    lines: readonly string[],
  ) => CpuTemplate[];
  readonly residuals: (pool: Pool) => Residual[];
  readonly warnings: (pool: Pool) => string[];
}

const X86: Steps = {
  obstacles: () => [],
  level: levelOf,
  templates: x86Templates,
  residuals: ({ merged, views, classes, identity }) =>
    x86Residuals(merged, views, classes, identity === undefined),
  warnings: ({ classes, policy, anomalies, level }) => [
    ...identityWarnings(classes, policy),
    ...estimateWarnings(classes),
    ...anomalyWarnings(anomalies),
    ...floorWarnings(level ?? ""),
  ],
};

const AARCH64: Steps = {
  obstacles: ({ host }) => (showsOwnRegisters(host.kernel) ? [OWN_REGISTERS] : []),
  level: () => undefined,
  templates: armTemplates,
  residuals: ({ classes }) => armResiduals(classes),
  warnings: ({ emitted }) => armWarnings(emitted),
};

export const STEPS: Readonly<Record<CpuType, Steps>> = { intel: X86, amd: X86, aarch64: AARCH64 };
