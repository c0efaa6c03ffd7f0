/** JSON to {@link CpuTemplate}, stricter than Firecracker: it lets typos pass, this does not. */
import { keyOf, REGISTERS } from "../cpuid.ts";
import { hexNumber, leafAddress, msrAddress, registerAddress } from "../format/address.ts";
import { u32, u64 } from "../json/integer.ts";
import {
  mapped,
  number,
  oneOf,
  readWith,
  required,
  strictObjectOf,
  textLike,
  uniqueListOf,
  listOf,
  type Reader,
} from "../json/reader.ts";
import { bitmap128, bitmap32, bitmap64 } from "./bitmap.ts";
import type {
  ArmRegisterModifier,
  CpuidModifier,
  CpuTemplate,
  MsrModifier,
  RegisterModifier,
  VcpuFeatureModifier,
} from "./template.ts";

const CAPABILITY = textLike(
  /^!?[0-9]{1,9}$/,
  'must be a KVM capability number in a string, such as "171" or "!171"',
);

const REGISTER: Reader<RegisterModifier> = mapped(
  strictObjectOf({ register: oneOf(...REGISTERS), bitmap: bitmap32 }),
  ({ register, bitmap }) => ({ register, ...bitmap }),
);

const PLAIN_ENTRY: Reader<CpuidModifier> = strictObjectOf({
  leaf: u32,
  subleaf: u32,
  flags: number("KVM's flags as a number", { least: 0, most: 0xffff_ffff }),
  modifiers: required(
    uniqueListOf(
      REGISTER,
      ({ register }) => register,
      ({ register }) => register.toUpperCase(),
    ),
  ),
});

/** A wrong bitmap is easier to find when its register is named as in the manual. */
const ENTRY: Reader<CpuidModifier> = {
  ...PLAIN_ENTRY,
  read: (json, problems) => {
    const from = problems.list.length;
    const entry = PLAIN_ENTRY.read(json, problems);
    for (let at = from; at < problems.list.length; at++) {
      const { path = "", message = "" } = problems.list[at] ?? {};
      const index = /\[(\d+)\]\.bitmap$/.exec(path)?.[1];
      const modifier = index === undefined ? undefined : entry.modifiers[Number(index)];
      if (modifier === undefined) continue;
      const address = registerAddress(entry.leaf, entry.subleaf, modifier.register);
      problems.list[at] = { path, message: `${message} (${address})` };
    }
    return entry;
  },
};

const MSR: Reader<MsrModifier> = mapped(
  strictObjectOf({ addr: u32, bitmap: bitmap64 }),
  ({ addr, bitmap }) => ({ addr, ...bitmap }),
);

const ARM_REGISTER: Reader<ArmRegisterModifier> = mapped(
  strictObjectOf({ addr: u64, bitmap: bitmap128 }),
  ({ addr, bitmap }) => ({ addr, ...bitmap }),
);

const VCPU_FEATURE: Reader<VcpuFeatureModifier> = mapped(
  strictObjectOf({ index: number("a number", { least: 0 }), bitmap: bitmap32 }),
  ({ index, bitmap }) => ({ index, ...bitmap }),
);

/** Firecracker applies both where the same thing is given twice. */
const MEMBERS = {
  kvm_capabilities: listOf(CAPABILITY),
  cpuid_modifiers: uniqueListOf(ENTRY, keyOf, ({ leaf, subleaf }) => leafAddress(leaf, subleaf)),
  msr_modifiers: uniqueListOf(
    MSR,
    ({ addr }) => addr,
    ({ addr }) => msrAddress(addr),
  ),
  vcpu_features: uniqueListOf(
    VCPU_FEATURE,
    ({ index }) => index,
    ({ index }) => `vCPU feature word ${index}`,
  ),
  reg_modifiers: uniqueListOf(
    ARM_REGISTER,
    ({ addr }) => addr,
    ({ addr }) => `register ${hexNumber(addr)}`,
  ),
};

export const TEMPLATE_KEYS: readonly string[] = Object.keys(MEMBERS);

export const TEMPLATE: Reader<CpuTemplate> = mapped(strictObjectOf(MEMBERS), (read) => ({
  kvmCapabilities: read.kvm_capabilities,
  cpuidModifiers: read.cpuid_modifiers,
  msrModifiers: read.msr_modifiers,
  vcpuFeatures: read.vcpu_features,
  regModifiers: read.reg_modifiers,
}));

/** Throws BAD_FIELD with every problem and its place; `place`: where the template stands itself. */
export function parseTemplate(json: unknown, place = ""): CpuTemplate {
  return readWith(TEMPLATE, json, "BAD_FIELD", place);
}
