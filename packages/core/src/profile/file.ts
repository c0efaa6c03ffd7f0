/** `evenkeel/node-profile@1` as JSON (docs/formats.md). */
import { hex32, hexNumber } from "../format/address.ts";
import { cpuidToJson, msrsToJson, registersToJson } from "../format/cpu-json.ts";
import { prettyJson } from "../json/pretty.ts";
import type { KvmFacts } from "./kvm-facts.ts";
import { PROFILE_SCHEMA, type NodeProfile } from "./profile.ts";

function kvmFactsToJson(kvm: KvmFacts): object {
  const { enforcement } = kvm;
  return {
    apiVersion: kvm.apiVersion,
    backend: kvm.backend,
    enforcement: enforcement && {
      enforced: enforcement.enforced,
      changed: enforcement.changed.map((word) => ({
        leaf: hexNumber(word.leaf),
        subleaf: hexNumber(word.subleaf),
        register: word.register,
        asked: hex32(word.asked),
        answered: hex32(word.answered),
      })),
    },
    capabilities: Object.fromEntries(kvm.capabilities),
    featureMsrs: msrsToJson(kvm.featureMsrs),
    unreadableMsrs: kvm.unreadableMsrs.map(hexNumber),
    takenFields: kvm.takenFields?.map(({ id, hi, lo, values, ignored }) => ({
      id: hexNumber(id),
      hi,
      lo,
      values: values.map(hexNumber),
      ignored: ignored.map(hexNumber),
    })),
  };
}

function listIfAny<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}

export function formatProfile(profile: NodeProfile): string {
  return prettyJson(profileToJson(profile));
}

/** A profile as plain data, in the order of the file; absent members are undefined. */
export function profileToJson({ cpu, ...profile }: NodeProfile) {
  return {
    schema: PROFILE_SCHEMA,
    name: profile.name,
    provenance: profile.provenance,
    host: profile.host,
    firecracker: profile.firecracker,
    tsc: profile.tsc,
    kvm: profile.kvm === undefined ? undefined : kvmFactsToJson(profile.kvm),
    notes: listIfAny(profile.notes ?? []),
    incomplete: listIfAny(profile.incomplete),
    estimate: profile.estimate ? true : undefined,
    arch: cpu.arch,
    view: cpu.view,
    cpuid: cpuidToJson(cpu.cpuid),
    msrs: msrsToJson(cpu.msrs),
    registers: listIfAny(registersToJson(cpu.registers)),
  };
}

function spread(profile: NodeProfile): Map<string, string> {
  const { host, kvm, ...rest } = profileToJson(profile);
  const members: Record<string, unknown> = { ...rest };
  for (const [key, value] of Object.entries(host)) members[`host.${key}`] = value;
  for (const [key, value] of Object.entries(kvm ?? {})) members[`kvm.${key}`] = value;
  return new Map(Object.entries(members).map(([key, value]) => [key, JSON.stringify(value) ?? ""]));
}

/** Paths such as `host.microcode` or `cpuid`, in the order of the file. */
export function changedMembers(before: NodeProfile, after: NodeProfile): string[] {
  const [from, to] = [spread(before), spread(after)];
  return [...new Set([...from.keys(), ...to.keys()])].filter(
    (key) => from.get(key) !== to.get(key),
  );
}
