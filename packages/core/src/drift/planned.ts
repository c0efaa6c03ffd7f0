/** A planned node after a change: does its template still yield the pool's guest CPU? */
import { eachRegister, entryKey, indexEntries, keyOf, type CpuidMap } from "../cpuid.ts";
import { mayBeInserted } from "../firecracker/normalization.ts";
import { simulate, type GuestView } from "../firecracker/simulate.ts";
import { diffCpus, type Difference } from "../inspect/diff.ts";
import { hiddenEntry, type GuestCpu, type GuestRegister } from "../plan/guest-cpu.ts";
import { refuseUnwritable } from "../plan/arm/unwritable.ts";
import { prove } from "../plan/prove.ts";
import { STEPS } from "../plan/steps.ts";
import { groupIntoClasses, type NodeClass } from "../profile/class.ts";
import { registersOf, type NodeProfile } from "../profile/profile.ts";
import type { PlanFile } from "../plan/find-class.ts";
import { fail } from "../errors.ts";
import { isAnnouncement, isPromise } from "../tables/masks.ts";
import { isPlannedRegister, plannedRegisterMask } from "../tables/registers.ts";
import { missingAddress } from "../template/apply.ts";
import { applyBitmap32 } from "../template/bitmap.ts";
import type { CpuTemplate } from "../template/template.ts";
import { VOLATILE_KINDS } from "./change.ts";

export interface PlannedNode {
  readonly plan: PlanFile;
  readonly class: string;
  readonly template: CpuTemplate;
}

export interface PlannedDrift {
  readonly class: string;
  readonly classNow: string;
  /** What the template in use lets through or sets that the plan does not have. */
  readonly leaks: readonly Difference[];
  /** What the plan promises and the template in use does not yield any more. */
  readonly lost: readonly Difference[];
  /** Entries that the template in use names and the node does not have: no microVM starts. */
  readonly fatal: readonly string[];
  /** The template that yields the plan's guest CPU now; undefined where none does. */
  readonly template: CpuTemplate | undefined;
  readonly unreachable: readonly string[];
  /** Firecracker versions on the node that the plan was not proven for. */
  readonly unproven: readonly string[];
}

/** The plan's guest CPU, with zeros for what the node has and the plan does not know. */
function extended({ guest, type }: PlanFile, { cpu }: NodeClass): GuestCpu {
  const known = new Set(guest.cpuid.map(keyOf));
  const added = cpu.cpuid
    .filter((entry) => !known.has(keyOf(entry)) && !mayBeInserted(type, entry.leaf, entry.subleaf))
    .map((entry) => hiddenEntry(type, entry));
  const listed = new Set(guest.registers.map(({ id }) => id));
  const registers = [...registersOf(cpu).keys()]
    .filter((id) => !listed.has(id) && isPlannedRegister(type, id))
    .map((id) => ({ id, mask: plannedRegisterMask(type, id), value: 0n }));
  return {
    ...guest,
    cpuid: [...guest.cpuid, ...added],
    registers: [...guest.registers, ...registers],
  };
}

function planned({ cpuid }: GuestCpu, view: GuestView): CpuidMap {
  return new Map(
    cpuid.map(({ leaf, subleaf, registers }) => {
      const actual = view.cpuid.get(entryKey(leaf, subleaf));
      // What the plan leaves to the nodes is as it is here.
      const words = eachRegister((register) =>
        applyBitmap32(actual?.[register] ?? 0, registers[register]),
      );
      return [entryKey(leaf, subleaf), { leaf, subleaf, flags: 0, ...words }];
    }),
  );
}

/** Planned (`a`) against what the template yields (`b`) under one line. */
function deviations(
  guest: GuestCpu,
  nodeClass: NodeClass,
  template: CpuTemplate,
  line: string,
): { readonly found: readonly Difference[]; readonly view: GuestView } {
  const { type, cpu } = nodeClass;
  const view = simulate(cpu, type, line, template);
  const places = new Set(guest.cpuid.map(keyOf));
  const shown = ({ id, mask }: GuestRegister) => (view.registers.get(id) ?? 0n) & mask;
  const actual = {
    type,
    cpuid: indexEntries([...view.cpuid.values()].filter((entry) => places.has(keyOf(entry)))),
    registers: new Map(guest.registers.map((register) => [register.id, shown(register)])),
  };
  // Firecracker overwrites some bits of either, so that the plan's are taken after it.
  const expected = simulate({ ...cpu, cpuid: [...planned(guest, view).values()] }, type, line);
  const registers = new Map(guest.registers.map(({ id, value }) => [id, value]));
  const found = diffCpus({ type, cpuid: expected.cpuid, registers }, actual);
  return { found: found.filter(({ kind }) => !VOLATILE_KINDS.has(kind)), view };
}

function isOfLine(version: string, lines: readonly string[]): boolean {
  const plain = version.replace(/^v/, "");
  return lines.some((line) => plain === line || plain.startsWith(`${line}.`));
}

function byAddress(items: readonly Difference[]): Difference[] {
  return [...new Map(items.map((item) => [item.address, item])).values()];
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== "0";
}

/** Something that the guest should have and has not; all else lets something through. */
function isLoss({ kind, a, b }: Difference): boolean {
  return isPromise(kind) || isAnnouncement(kind) ? isSet(a) && !isSet(b) : false;
}

export function plannedDrift(
  now: NodeProfile,
  { plan, template, ...node }: PlannedNode,
): PlannedDrift {
  const [nodeClass] = groupIntoClasses([now], plan.type);
  if (nodeClass === undefined) return fail("EMPTY_POOL", "no profile to compare");
  const guest = extended(plan, nodeClass);
  const perLine = plan.firecracker.map((line) => deviations(guest, nodeClass, template, line));
  const found = byAddress(perLine.flatMap((one) => one.found));
  const missing = perLine.flatMap(({ view }) => view.missing);
  const inUse = refuseUnwritable([{ nodeClass, template }]).map(({ message }) => message);
  const fatal = [...missing.map(missingAddress), ...inUse];
  const [emitted] = STEPS[plan.type].templates([nodeClass], guest, plan.firecracker);
  if (emitted === undefined) return fail("EMPTY_POOL", "no profile to compare");
  const { violations } = prove([{ nodeClass, template: emitted }], guest, plan.firecracker);
  const unwritable = refuseUnwritable([{ nodeClass, template: emitted }]);
  const unreachable = [
    ...violations.map(({ address, problem }) => `${address}: ${problem}`),
    ...unwritable.map(({ message }) => message),
  ];
  return {
    class: node.class,
    classNow: nodeClass.id,
    leaks: found.filter((difference) => !isLoss(difference)),
    lost: found.filter(isLoss),
    fatal: [...new Set(fatal)],
    template: unreachable.length === 0 ? emitted : undefined,
    unreachable: [...new Set(unreachable)],
    unproven: now.firecracker.filter((version) => !isOfLine(version, plan.firecracker)),
  };
}
