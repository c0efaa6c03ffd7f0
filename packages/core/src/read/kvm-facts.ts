/** The `kvm` member of a node profile (docs/formats.md). */
import { REGISTERS } from "../cpuid.ts";
import { u32, u64 } from "../json/integer.ts";
import {
  flag,
  listOf,
  mapOf,
  mapped,
  maybe,
  number,
  oneOf,
  orElse,
  present,
  strictObjectOf,
  text,
  type Reader,
} from "../json/reader.ts";
import type { Enforcement, KvmFacts, TakenField } from "../profile/kvm-facts.ts";

const COUNT = number("a number, as KVM returns it", { least: 0, most: Number.MAX_SAFE_INTEGER });
const BIT = number("a bit, 0 to 63", { least: 0, most: 63 });

const CAPABILITIES: Reader<ReadonlyMap<number, number>> = mapped(
  orElse(mapOf(COUNT), {}),
  (byText, problems) => {
    for (const key of Object.keys(byText)) {
      if (!/^\d{1,9}$/.test(key)) problems.add(`"${key}" is not a capability number`);
    }
    return new Map(Object.entries(byText).map(([key, answer]) => [Number(key), answer]));
  },
);

const ENFORCEMENT: Reader<Enforcement> = mapped(
  strictObjectOf({
    enforced: flag,
    changed: listOf(
      strictObjectOf({
        leaf: u32,
        subleaf: u32,
        register: oneOf(...REGISTERS),
        asked: u32,
        answered: u32,
      }),
    ),
  }),
  ({ enforced, changed }, problems) => {
    const isChanged = changed.length > 0;
    if (enforced && isChanged) {
      problems.add("cannot be true if registers were changed", "enforced");
    }
    return { enforced: enforced && !isChanged, changed };
  },
);

const TAKEN_FIELD: Reader<TakenField> = mapped(
  strictObjectOf({ id: u64, hi: BIT, lo: BIT, values: listOf(u64), ignored: listOf(u64) }),
  (field, problems) => {
    if (field.hi < field.lo) problems.add("must not be below lo", "hi");
    return field;
  },
);

export const KVM_FACTS: Reader<KvmFacts> = mapped(
  strictObjectOf({
    apiVersion: COUNT,
    backend: maybe(text),
    capabilities: CAPABILITIES,
    featureMsrs: listOf(strictObjectOf({ addr: u32, value: u64 })),
    unreadableMsrs: listOf(u32),
    enforcement: maybe(ENFORCEMENT),
    takenFields: maybe(listOf(TAKEN_FIELD)),
  }),
  present,
);
