/**
 * What judges may read of a node besides the CPU that its class describes. A judge names the facts
 * it reads and is given no others; nodes of one class with the same facts are one entry of a
 * matrix, so that a fact which a judge reads cannot be forgotten there.
 */
import { armWriterKey } from "../profile/arm/takes.ts";
import { compareText } from "../format/text.ts";
import { kernelLine } from "../tables/kernels.ts";
import { templateDoubt } from "../profile/kvm-facts.ts";
import type { NodeProfile } from "../profile/profile.ts";

interface Fact<T> {
  readonly read: (profile: NodeProfile) => T;
  /** What of it decides: values with one key get one verdict. Written as JSON. */
  readonly key: (value: T) => unknown;
}

function fact<T>(read: Fact<T>["read"], key: Fact<T>["key"] = (value) => value): Fact<T> {
  return { read, key };
}

function offeredNumbers(capabilities: ReadonlyMap<number, number> | undefined) {
  if (capabilities === undefined) return undefined;
  return [...capabilities].filter(([, answer]) => answer > 0).map(([number]) => number);
}

const NODE_FACTS = {
  kernel: fact(({ host }) => host.kernel, kernelLine),
  firecracker: fact(
    ({ firecracker }) => firecracker,
    (versions) => versions.toSorted(compareText),
  ),
  tsc: fact(({ tsc }) => tsc),
  /** KVM's capabilities by number; undefined where nobody asked. */
  capabilities: fact(({ kvm }) => kvm?.capabilities, offeredNumbers),
  /** Why the node cannot be counted on to give guests the CPUID that they were set. */
  enforcement: fact(templateDoubt),
  incomplete: fact(({ incomplete }) => incomplete),
  estimate: fact(({ estimate }) => estimate),
  /** aarch64: which writes of ID registers the node's KVM takes. */
  writes: fact(
    (profile) => profile,
    (profile) => (profile.cpu.arch === "aarch64" ? armWriterKey(profile) : undefined),
  ),
} as const;

export type FactName = keyof typeof NODE_FACTS;

export type NodeFacts = {
  readonly [K in FactName]: ReturnType<(typeof NODE_FACTS)[K]["read"]>;
};

const NAMES = Object.keys(NODE_FACTS) as FactName[];

export function factsOf(profile: NodeProfile): NodeFacts {
  return Object.fromEntries(
    NAMES.map((name) => [name, NODE_FACTS[name].read(profile)]),
  ) as NodeFacts;
}

/** A number for each value of a fact: one for those that decide the same. */
function numbersOf({ key }: Fact<unknown>): (value: unknown) => number {
  const byValue = new Map<unknown, number>();
  const byText = new Map<string, number>();
  return (value) => {
    let number = byValue.get(value);
    if (number === undefined) {
      const text = JSON.stringify(key(value) ?? null);
      number = byText.get(text) ?? byText.size;
      byText.set(text, number);
      byValue.set(value, number);
    }
    return number;
  };
}

/** Makes text that is the same for nodes of one fleet and class where every verdict is. */
export function factsKeys(names: readonly FactName[]): (profile: NodeProfile) => string {
  const facts = names.map((name) => NODE_FACTS[name] as unknown as Fact<unknown>);
  const asked = facts.map((one) => ({ read: one.read, number: numbersOf(one) }));
  return (profile) => {
    let text = "";
    for (const { read, number } of asked) text += `${number(read(profile))} `;
    return text;
  };
}

/** What {@link factsKeys} numbers, as text that can be kept. */
export function factsText(names: readonly FactName[], profile: NodeProfile): string {
  return JSON.stringify(
    names.map((name) => {
      const { read, key } = NODE_FACTS[name] as unknown as Fact<unknown>;
      return key(read(profile)) ?? null;
    }),
  );
}
