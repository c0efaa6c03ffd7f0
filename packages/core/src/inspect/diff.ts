/** Named differences between two CPUs, or between two CPU templates. */
import type { ArmRegister } from "../cpuid.ts";
import { hexNumber } from "../format/address.ts";
import { compareText } from "../format/text.ts";
import type { Kind } from "../tables/field.ts";
import type { CpuTemplate } from "../template/template.ts";
import { decode, type CpuState } from "./decode.ts";
import { decodeTemplate } from "./decode-template.ts";

export interface Difference {
  readonly address: string;
  readonly name: string;
  readonly title: string;
  readonly kind: Kind | "reserved" | "register";
  /** The values as text; undefined where one side does not have the field at all. */
  readonly a: string | undefined;
  readonly b: string | undefined;
}

/** Every field that differs; a field of an entry that is absent counts as absent, not as 0. */
export function diffCpus(a: CpuState, b: CpuState): Difference[] {
  const left = new Map(decode(a, true).map((f) => [f.address, f]));
  const right = new Map(decode(b, true).map((f) => [f.address, f]));
  // An absent entry reads as zero, so zero against absent is no difference to a guest.
  const differs = (address: string) =>
    (left.get(address)?.value ?? 0n) !== (right.get(address)?.value ?? 0n);
  return [...new Map([...left, ...right]).values()]
    .filter(({ address }) => differs(address))
    .toSorted((x, y) => compareText(x.order, y.order))
    .map(({ address, name, title, kind }) => ({
      address,
      name,
      title,
      kind,
      a: text(left.get(address)?.value),
      b: text(right.get(address)?.value),
    }));
}

function text(value: bigint | undefined): string | undefined {
  if (value === undefined) return undefined;
  return value < 2n ? value.toString() : hexNumber(value);
}

export function diffArm(a: readonly ArmRegister[], b: readonly ArmRegister[]): Difference[] {
  const left = new Map(a.map(({ id, value }) => [id, value]));
  const right = new Map(b.map(({ id, value }) => [id, value]));
  return [...new Set([...left.keys(), ...right.keys()])]
    .toSorted((x, y) => (x < y ? -1 : 1))
    .filter((id) => left.get(id) !== right.get(id))
    .map((id) => ({
      address: `register ${hexNumber(id)}`,
      name: "",
      title: "",
      kind: "register",
      a: text(left.get(id)),
      b: text(right.get(id)),
    }));
}

export function diffTemplates(a: CpuTemplate, b: CpuTemplate): Difference[] {
  const left = new Map(decodeTemplate(a).map((f) => [f.address, f]));
  const right = new Map(decodeTemplate(b).map((f) => [f.address, f]));
  return [...new Map([...left, ...right]).values()]
    .filter(({ address }) => left.get(address)?.bits !== right.get(address)?.bits)
    .toSorted((x, y) => compareText(x.order, y.order))
    .map(({ address, name, title }) => ({
      address,
      name,
      title,
      kind: name === "reserved" ? "reserved" : "register",
      a: left.get(address)?.bits,
      b: right.get(address)?.bits,
    }));
}
