/** Named differences between two CPUs, or between two CPU templates. */
import { hexNumber } from "../format/address.ts";
import { compareText } from "../format/text.ts";
import type { Kind } from "../tables/field.ts";
import type { CpuTemplate } from "../template/template.ts";
import type { CpuState } from "../profile/state.ts";
import { decode, type DecodedField } from "./decode.ts";
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
  return diffFields(decode(a, true), decode(b, true));
}

function diffFields(a: readonly DecodedField[], b: readonly DecodedField[]): Difference[] {
  const left = new Map(a.map((f) => [f.address, f]));
  const right = new Map(b.map((f) => [f.address, f]));
  // An absent entry reads as zero, so zero against absent is no difference to a guest.
  const differs = (address: string) =>
    (left.get(address)?.value ?? 0n) !== (right.get(address)?.value ?? 0n);
  return [...new Map([...left, ...right]).values()]
    .filter(({ address }) => differs(address))
    .toSorted((x, y) => compareText(x.order, y.order))
    .map(({ address, name, title, kind }) => {
      const values = { a: text(left.get(address)?.value), b: text(right.get(address)?.value) };
      return { address, name, title, kind, ...values };
    });
}

function text(value: bigint | undefined): string | undefined {
  if (value === undefined) return undefined;
  return value < 2n ? value.toString() : hexNumber(value);
}

export function diffTemplates(a: CpuTemplate, b: CpuTemplate): Difference[] {
  const left = new Map(decodeTemplate(a).map((f) => [f.address, f]));
  const right = new Map(decodeTemplate(b).map((f) => [f.address, f]));
  return [...new Map([...left, ...right]).values()]
    .filter(({ address }) => left.get(address)?.bits !== right.get(address)?.bits)
    .toSorted((x, y) => compareText(x.order, y.order))
    .map(({ address, name, title }) => {
      const kind = name === "reserved" ? "reserved" : "register";
      return {
        address,
        name,
        title,
        kind,
        a: left.get(address)?.bits,
        b: right.get(address)?.bits,
      };
    });
}
