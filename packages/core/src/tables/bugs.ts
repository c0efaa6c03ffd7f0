/**
 * Bugs that a guest's kernel looks up by the model it is shown, so that no bit repairs a wrong
 * model. What Linux assumes for every guest, or tells from bits alone, is judged by those bits and
 * has no row: ITS unless ITS_NO or BHI_CTRL, BHI unless BHI_NO, TSA on every Zen, RFDS by RFDS_NO
 * and RFDS_CLEAR on all models here, MDS, TAA, L1TF and Meltdown by their immunity bits. GDS and
 * SRBDS are the host's to mitigate, SMT_RSB and VMSCAPE are a hypervisor's.
 *
 * Sources: Linux 6.17, `arch/x86/kernel/cpu/common.c` (`cpu_vuln_blacklist`, `cpu_set_bug_bits`),
 * `arch/x86/kernel/cpu/bugs.c` and `Documentation/admin-guide/hw-vuln/srso.rst`.
 */
import type { Vendor } from "./field.ts";
import { fieldByName } from "./lookup.ts";
import { formatFms, modelOf, type FamilyModelStepping, type Model } from "./models.ts";

interface Bug {
  readonly title: string;
  /** Any of these bits, shown to a guest, keeps it safe whatever its model. */
  readonly coveredBy: readonly string[];
  /** A node that has all bits of any of these lists does not have the bug. */
  readonly absentWith: readonly (readonly string[])[];
}

export const BUGS = {
  MMIO_STALE_DATA: {
    title: "MMIO stale data",
    coveredBy: [],
    absentWith: [["SBDR_SSDP_NO", "FBSDP_NO", "PSDP_NO"]],
  },
  /** RSBA makes Linux take any model for affected; with IBRS_ALL it uses enhanced IBRS anyway. */
  RETBLEED: { title: "RETBleed", coveredBy: ["RSBA", "IBRS_ALL"], absentWith: [] },
  BTC: { title: "branch type confusion", coveredBy: [], absentWith: [["BTC_NO"]] },
  /**
   * Each family returns in a way of its own: by reinterpreted instructions on 17h, by an alias in
   * the branch target buffer on 19h. Below 19h Linux does nothing in a guest without SMT.
   */
  SRSO_17H: {
    title: "return stack overflow of family 17h",
    coveredBy: [],
    absentWith: [["SRSO_NO"]],
  },
  SRSO_19H: {
    title: "return stack overflow of family 19h",
    coveredBy: [],
    absentWith: [["SRSO_NO"]],
  },
  SRSO_1AH: {
    title: "return stack overflow of family 1ah",
    coveredBy: [],
    absentWith: [["SRSO_NO"], ["SRSO_USER_KERNEL_NO"]],
  },
} as const satisfies Record<string, Bug>;

export type BugId = keyof typeof BUGS;

/** Whether a guest or a node has a bit, by the field's name. */
export type HasBit = (name: string) => boolean;

/** A bit of an MSR says nothing to a guest that does not see that the MSR exists. */
function sees(has: HasBit, name: string): boolean {
  const of = fieldByName(name)?.of;
  return has(name) && (of === undefined || has(of));
}

interface ModelMatch {
  /** How the model that is shown relates to the node's own. */
  readonly kind: "same" | "older" | "newer" | "unknown";
  /** Bugs of the node that the guest's kernel does not mitigate; empty where nothing is known. */
  readonly lacking: readonly BugId[];
}

/** A model with the row that stands for it, if any. */
export interface NamedModel {
  /** Family, model and stepping as text: `6/106/6`. */
  readonly fms: string;
  readonly model: Model | undefined;
}

export function nameModel(vendor: Vendor, fms: FamilyModelStepping): NamedModel {
  return { fms: formatFms(fms), model: modelOf(vendor, fms) };
}

/** What a guest that is shown one model leaves unmitigated on a node of another. */
export function compareModels(
  vendor: Vendor,
  shown: FamilyModelStepping,
  own: FamilyModelStepping,
  guestHas: HasBit,
  nodeHas: HasBit,
): ModelMatch {
  return compareNamed(nameModel(vendor, shown), nameModel(vendor, own), guestHas, nodeHas);
}

/** {@link compareModels} for models that were looked up before. */
export function compareNamed(
  shown: NamedModel,
  own: NamedModel,
  guestHas: HasBit,
  nodeHas: HasBit,
): ModelMatch {
  if (shown.fms === own.fms) return { kind: "same", lacking: [] };
  const [from, to] = [shown.model, own.model];
  if (from === undefined || to === undefined) return { kind: "unknown", lacking: [] };
  const lacking = to.bugs.filter((id) => {
    if (from.bugs.includes(id)) return false;
    const { coveredBy, absentWith }: Bug = BUGS[id];
    const absent = absentWith.some((names) => names.every((name) => sees(nodeHas, name)));
    return !absent && !coveredBy.some((name) => sees(guestHas, name));
  });
  return { kind: from.launched <= to.launched ? "older" : "newer", lacking };
}

/** Names the bugs for people. */
export function titlesOf(bugs: readonly BugId[]): string[] {
  return bugs.map((id) => BUGS[id].title);
}
