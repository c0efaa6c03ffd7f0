/** A CPU of which only names of flags are known: the registers are composed from the rows. */
import { CpuBuilder, SIGNATURES } from "../../tables/cpu-builder.ts";
import {
  encodeSignature,
  modelFor,
  type CatalogueModel,
  type FamilyModelStepping,
} from "../../tables/models.ts";
import { addXsave } from "../../tables/xsave-layout.ts";
import { compareText } from "../../format/text.ts";
import { indexEntries } from "../../cpuid.ts";
import { STATE_COMPONENTS } from "../../tables/cpuid/xsave.ts";
import type { Vendor } from "../../tables/field.ts";
import { ALIAS_GROUP } from "../../tables/groups.ts";
import { CPUID_FIELDS } from "../../tables/lookup.ts";
import { fieldByForeignName } from "../../tables/names.ts";
import type { RawCpu } from "../../kvm/dump.ts";

export interface NamedCpu {
  readonly label: string;
  readonly line: number;
  readonly vendor: Vendor;
  readonly signature: FamilyModelStepping;
  readonly brand: string | undefined;
  readonly flags: readonly string[];
  /** Rows that the source has no word for: they are the catalogue's model's. */
  readonly unsaid: ReadonlySet<string>;
  readonly maxBasicLeaf: number | undefined;
  readonly physicalBits: number | undefined;
  readonly linearBits: number | undefined;
}

export interface ComposedCpu {
  readonly cpu: RawCpu;
  readonly unknown: readonly string[];
  readonly incomplete: readonly string[];
}

/** Names that follow from the others: state components, bits that AMD repeats, IBRS with IBPB. */
function implied(vendor: Vendor, names: ReadonlySet<string>): string[] {
  const components = STATE_COMPONENTS.filter(({ usedBy }) =>
    usedBy.some((name) => names.has(name)),
  );
  const aliases = CPUID_FIELDS.filter(
    ({ group, vendors, requires }) =>
      group === ALIAS_GROUP &&
      vendors.includes(vendor) &&
      requires.every((name) => names.has(name)),
  );
  const states = names.has("XSAVE")
    ? ["XCR0_X87", "XCR0_SSE", ...components.map(({ name }) => name)]
    : [];
  const barriers = names.has("AMD_IBRS") && names.has("AMD_IBPB") && vendor === "intel";
  return [...states, ...aliases.map(({ name }) => name), ...(barriers ? ["SPEC_CTRL"] : [])];
}

/** Rows by the source's words, with what follows from them and what it has no words for. */
function namesOf({ vendor, flags, unsaid }: NamedCpu, model: CatalogueModel | undefined) {
  const names = new Set<string>();
  const unknown: string[] = [];
  for (const flag of flags) {
    const field = fieldByForeignName(vendor, flag);
    if (field === undefined) unknown.push(flag);
    else names.add(field.name);
  }
  for (const name of implied(vendor, names)) names.add(name);
  for (const name of model?.features ?? []) if (unsaid.has(name)) names.add(name);
  return { names, unknown };
}

/** The CPU as far as flags say; highest leaves and the XSAVE layout are the catalogue's model's. */
export function composeCpu(named: NamedCpu): ComposedCpu {
  const { label, line, vendor, signature, brand } = named;
  const model = modelFor(vendor, signature);
  const { names, unknown } = namesOf(named, model);
  const builder = new CpuBuilder();
  const eax = encodeSignature(signature);
  builder.entry(0x0, 0, SIGNATURES[vendor]).entry(0x1, 0, { eax }).entry(0x7).entry(0x8000_0008);
  if (vendor === "amd") {
    builder.entry(0x8000_0000, 0, SIGNATURES.amd).entry(0x8000_0001, 0, { eax });
  }
  builder
    .brand(brand ?? "")
    .setAll([...names])
    .set("MAX_BASIC_LEAF", named.maxBasicLeaf ?? model?.maxBasicLeaf ?? 0xd)
    .set("MAX_LEAF7_SUBLEAF", model?.maxLeaf7Subleaf ?? 0)
    .set("MAX_EXTENDED_LEAF", model?.maxExtendedLeaf ?? 0x8000_0008)
    .set("MAXPHYADDR", named.physicalBits ?? model?.physicalBits ?? 0)
    .set("LINEAR_ADDRESS_BITS", named.linearBits ?? model?.linearBits ?? 0);
  addXsave(builder, [...names], model?.stateOffsets ?? {});
  const { cpuid, msrs } = builder.build();
  return {
    cpu: {
      label,
      line,
      entries: indexEntries(cpuid.map((entry) => ({ ...entry, flags: 0 }))),
      msrs: new Map(msrs.map(({ addr, value }) => [addr, value])),
    },
    unknown: unknown.toSorted(compareText),
    incomplete:
      model === undefined
        ? [
            "flags do not include the highest leaves or the XSAVE layout, and the " +
              "catalogue does not know this model",
          ]
        : [],
  };
}
