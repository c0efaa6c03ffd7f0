/** Whether a node's KVM takes a value for a register: by its own trial, else by its release. */
import type { KvmFacts, TakenField } from "../kvm-facts.ts";
import type { ArmField } from "../../tables/field.ts";
import { isOlder, kernelLine, WRITABLE_READ } from "../../tables/kernels.ts";
import { honours } from "../../tables/merge-rules.ts";
import { distributionOf, keepsItsOwn, writability } from "../../tables/arm/writable.ts";
import { groupBy } from "../../group.ts";
import type { NodeProfile } from "../profile.ts";

export interface ArmWriter {
  /** The host kernel's distribution, where its patches are known; else empty. */
  readonly distribution: string;
  readonly release: string | undefined;
  /** By register and field; undefined where nobody tried. */
  readonly trial: ReadonlyMap<string, TakenField> | undefined;
}

export type Answer = "yes" | "no" | "unknown";

/** What a write is for: a restore has to be taken, and what a template writes has to stay as well. */
export type Purpose = "restore" | "template";

type Place = Pick<ArmField, "id" | "hi" | "lo">;

function placeOf({ id, hi, lo }: Place): string {
  return `${id.toString(16)}:${hi}:${lo}`;
}

export function writerOf(kernel: string | undefined, kvm: KvmFacts | undefined): ArmWriter {
  const fields = kvm?.takenFields;
  return {
    distribution: distributionOf(kernel),
    release: kernelLine(kernel),
    trial:
      fields === undefined ? undefined : new Map(fields.map((field) => [placeOf(field), field])),
  };
}

/** What a trial has shown of a field; undefined where it shows nothing but refusals. */
export function triedField({ trial }: ArmWriter, place: Place): TakenField | undefined {
  return trial?.get(placeOf(place));
}

/** Of services, a trial clears each bit alone: KVM then takes any of its own without some. */
function takesServices(taken: readonly bigint[], offered: bigint, promised: bigint): boolean {
  if ((promised & ~offered) !== 0n) return false;
  const gone = [...(offered ^ promised).toString(2)].toReversed();
  return gone.every((bit, i) => bit === "0" || taken.includes(offered & ~(1n << BigInt(i))));
}

type Ask = (
  field: ArmField,
  offered: bigint,
  promised: bigint,
  writer: ArmWriter,
  purpose: Purpose,
) => Answer;

const byTrial: Ask = (field, offered, promised, writer, purpose) => {
  const { values = [], ignored = [] } = triedField(writer, field) ?? {};
  if (values.includes(promised)) return "yes";
  if (field.merge === "and" && takesServices(values, offered, promised)) return "yes";
  const isHarmless = purpose === "restore" && honours(offered, promised, field);
  return isHarmless && ignored.includes(promised) ? "yes" : "no";
};

const byRelease: Ask = (field, offered, promised, writer, purpose) => {
  const { distribution, release } = writer;
  const allowed = writability(field, distribution);
  if (!honours(offered, promised, field)) return "no";
  if (keepsItsOwn(field)) return purpose === "restore" ? "yes" : "no";
  if (release === undefined) return "unknown";
  if (allowed === undefined) return isOlder(WRITABLE_READ, release) ? "unknown" : "no";
  if (isOlder(release, allowed.since)) return "unknown";
  const { least = 0n, most = promised } = allowed;
  return promised >= least && promised <= most ? "yes" : "no";
};

/** KVM_SET_ONE_REG with `promised` where the vCPU has `offered`. */
export const takes: Ask = (field, offered, promised, writer, purpose) => {
  if (offered === promised) return "yes";
  const ask = writer.trial === undefined ? byRelease : byTrial;
  return ask(field, offered, promised, writer, purpose);
};

/** Why, as the end of a sentence about a field that is not taken for certain. */
export function whyNotTaken(field: ArmField, writer: ArmWriter): string {
  if (writer.trial !== undefined) return "its KVM refuses the value, as a test on a vCPU showed";
  const { distribution, release } = writer;
  if (keepsItsOwn(field)) return "KVM ignores the write and keeps its own value";
  if (release === undefined) return "its host kernel is unknown";
  const since = writability(field, distribution)?.since;
  if (since === undefined) {
    return isOlder(WRITABLE_READ, release)
      ? `Linux up to ${WRITABLE_READ} refuses it, and nothing is known about ${release}`
      : `no Linux up to ${WRITABLE_READ} accepts it`;
  }
  if (isOlder(release, since)) {
    return `Linux accepts it since ${since}; the node runs ${release}, which may have the patches backported`;
  }
  return "KVM accepts no such value";
}

interface ClassWriter {
  readonly writer: ArmWriter;
  readonly nodes: readonly string[];
}

/** Text that is the same where two nodes' KVMs are known to take the same writes. */
export function armWriterKey({ host, kvm }: NodeProfile): string {
  const { release, distribution } = writerOf(host.kernel, kvm);
  const fields = kvm?.takenFields?.map(({ id, hi, lo, values, ignored }) =>
    [id.toString(16), hi, lo, values.join(), ignored.join()].join(":"),
  );
  return `${release ?? "?"} ${distribution} ${fields?.join(" ") ?? "untried"}`;
}

export function writersOf(profiles: readonly NodeProfile[]): ClassWriter[] {
  return [...groupBy(profiles, armWriterKey).values()].flatMap((alike) =>
    alike.slice(0, 1).map(({ host, kvm }) => {
      return { writer: writerOf(host.kernel, kvm), nodes: alike.map(({ name }) => name) };
    }),
  );
}
