/** A plan's guest CPU as another virtual machine monitor has to be told it, and what it cannot be. */
import { decode, type DecodedField } from "../inspect/decode.ts";
import { stateOfPlan } from "../inspect/state.ts";
import type { Plan } from "../plan/plan.ts";
import type { Vendor } from "../tables/field.ts";
import { ALIAS_GROUP, STATE_GROUP } from "../tables/groups.ts";
import { fieldByName } from "../tables/lookup.ts";
import { VMM_NAMES, type VmmName } from "../tables/vmm-names.ts";

/**
 * What comes of it that the monitor cannot be told something:
 * - `given up`: guests do without it, on every node alike
 * - `insecure`: guests do not see a weakness of some node, and may leave a mitigation off
 * - `differs`: guests differ from node to node, so snapshots cannot move
 */
type Effect = "given up" | "insecure" | "differs";

/** Something of the plan that a monitor has no words for. */
export interface Unsaid {
  readonly name: string;
  /** `CPUID.(EAX=07H,ECX=0):EBX[16]`; empty where it is no single field. */
  readonly address: string;
  readonly effect: Effect;
  readonly message: string;
}

export interface Emitted {
  readonly text: string;
  /** Sorted by what is worst, then by address. */
  readonly unsaid: readonly Unsaid[];
}

export interface Guest {
  readonly vendor: Vendor;
  /** What is set, or a number above zero, in the order of addresses. */
  readonly fields: readonly DecodedField[];
  /** The value of a field by its name; 0 where guests do not see it. */
  readonly value: (name: string) => number;
  /** Rows of names that the vendor's CPUs may have, by whether the guest has the bit. */
  readonly on: readonly VmmName[];
  readonly off: readonly VmmName[];
}

/** Throws for aarch64. */
export function guestOf(plan: Plan): Guest {
  const { type } = plan;
  if (type === "aarch64") throw new Error("these monitors are supported for x86 only");
  const fields = decode(stateOfPlan(plan));
  const values = new Map(fields.map(({ name, value }) => [name, value]));
  const names = VMM_NAMES.filter(({ field }) => {
    const row = fieldByName(field);
    return row !== undefined && "vendors" in row && row.vendors.includes(type);
  });
  const isOn = ({ field }: VmmName) => (values.get(field) ?? 0n) !== 0n;
  return {
    vendor: type,
    fields,
    value: (name) => Number(values.get(name) ?? 0n),
    on: names.filter(isOn),
    off: names.filter((name) => !isOn(name)),
  };
}

/** How far KVM's leaves go is the monitor's to say, and says nothing about the node. */
const KVMS = "paravirtualization";

/** The words for what the guest has: one that would set another bit, too, is none of them. */
export function wordsFor(
  { on, off }: Guest,
  wordOf: (name: VmmName) => string | undefined,
): { readonly words: readonly string[]; readonly said: ReadonlySet<string> } {
  const beyond = new Set(off.map(wordOf));
  const sayable = on.flatMap((name) => {
    const word = wordOf(name);
    return word === undefined || beyond.has(word) ? [] : [{ word, field: name.field }];
  });
  return {
    words: [...new Set(sayable.map(({ word }) => word))],
    said: new Set(sayable.map(({ field }) => field)),
  };
}

/** Monitors work these out from the features themselves. */
const FOLLOWS: ReadonlySet<string> = new Set([ALIAS_GROUP, STATE_GROUP]);

const WORSE: readonly Effect[] = ["differs", "insecure", "given up"];

export function sorted(unsaid: readonly Unsaid[]): Unsaid[] {
  return unsaid.toSorted((a, b) => WORSE.indexOf(a.effect) - WORSE.indexOf(b.effect));
}

/** Bits of the guest that have no word among `said`. */
export function unsaidBits(guest: Guest, said: ReadonlySet<string>, monitor: string): Unsaid[] {
  return guest.fields
    .filter(({ name, kind, group }) => {
      const planned = kind === "feature" || kind === "union" || kind === "remedy";
      return planned && !FOLLOWS.has(group) && !said.has(name);
    })
    .map(({ name, address, kind, title }) => ({
      name,
      address,
      effect: kind === "feature" ? "given up" : "insecure",
      message: `${monitor} has no name for ${name} (${title})`,
    }));
}

/** Numbers that fit every node, such as the highest leaf, which `said` does not have. */
export function unsaidNumbers(guest: Guest, said: ReadonlySet<string>, monitor: string): Unsaid[] {
  return guest.fields
    .filter(({ name, kind, group }) => kind === "minimum" && !said.has(name) && group !== KVMS)
    .map(({ name, address, title, value }) => ({
      name,
      address,
      effect: "given up",
      message: `${monitor} sets the ${title} itself; the plan has ${value}`,
    }));
}

/** A plan with `--identity keep` over more than one model. */
export function unsaidIdentity(monitor: string): Unsaid {
  return {
    name: "identity",
    address: "",
    effect: "differs",
    message: `the plan keeps each class's family, model and stepping, but ${monitor} takes only one for all`,
  };
}
