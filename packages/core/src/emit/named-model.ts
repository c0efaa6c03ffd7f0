/**
 * libvirt and Proxmox VE start from a model that QEMU has a name for. Every feature that has a word
 * is either required or switched off, so that it does not matter what the model has by itself; but
 * family, model, stepping and the highest leaves are the model's.
 * Sources: https://libvirt.org/formatdomain.html#cpu-model-and-topology;
 * https://pve.proxmox.com/wiki/Manual:_cpu-models.conf.
 */
import type { Identity } from "../plan/identity.ts";
import type { Plan } from "../plan/plan.ts";
import { formatFms } from "../tables/models.ts";
import { NAMED_MODELS, type NamedModel, type VmmName } from "../tables/vmm-names.ts";
import {
  guestOf,
  sorted,
  unsaidBits,
  unsaidIdentity,
  unsaidNumbers,
  wordsFor,
  type Emitted,
  type Guest,
  type Unsaid,
} from "./guest.ts";

/** Steppings tell Skylake, Cascade Lake and Cooper Lake apart: the nearest from below. */
function modelFor(guest: Guest, identity: Identity | undefined): NamedModel {
  const ofVendor = NAMED_MODELS.filter(({ vendor }) => vendor === guest.vendor);
  const alike = ofVendor.filter(({ of }) =>
    of.some(([family, model]) => family === identity?.family && model === identity.model),
  );
  const below = alike.filter(({ shows }) => shows.stepping <= (identity?.stepping ?? 0));
  const found = below.at(-1) ?? alike[0] ?? ofVendor.at(-1);
  if (found === undefined) throw new Error(`there is no named model for ${guest.vendor}`);
  return found;
}

function unsaidModel(
  { name, shows }: NamedModel,
  identity: Identity | undefined,
  monitor: string,
): Unsaid[] {
  if (identity === undefined) return [unsaidIdentity(monitor)];
  if (formatFms(shows) === formatFms(identity)) return [];
  return [
    {
      name: "identity",
      address: "CPUID.01H:EAX[31:0]",
      effect: "insecure",
      message:
        `guests see ${name}'s family, model and stepping ${formatFms(shows)}, not the plan's ` +
        `${formatFms(identity)}; kernels enable mitigations by model`,
    },
  ];
}

/** What both say of a guest, each in its own words. */
function named(plan: Plan, monitor: string, wordOf: (name: VmmName) => string | undefined) {
  const guest = guestOf(plan);
  const model = modelFor(guest, plan.identity);
  const { words: on, said } = wordsFor(guest, wordOf);
  // A bit that these releases have no word for is not in their models either.
  const off = guest.off.filter(({ later }) => !later).flatMap((name) => wordOf(name) ?? []);
  const unsaid = sorted([
    ...unsaidModel(model, plan.identity, monitor),
    ...unsaidBits(guest, said, monitor),
    ...unsaidNumbers(guest, new Set(["MAXPHYADDR"]), monitor),
  ]);
  return {
    guest,
    model,
    on,
    off: [...new Set(off)],
    unsaid,
    physicalBits: guest.value("MAXPHYADDR"),
  };
}

const LIBVIRT_VENDORS = { intel: "Intel", amd: "AMD" } as const;

/** A domain's `<cpu>`; `check='full'` refuses to start a guest that would see anything else. */
export function libvirtCpu(plan: Plan): Emitted {
  const { guest, model, on, off, unsaid, physicalBits } = named(
    plan,
    "libvirt 9.0",
    ({ libvirt }) => libvirt,
  );
  const feature = (policy: string) => (name: string) =>
    `  <feature policy='${policy}' name='${name}'/>`;
  const lines = [
    "<cpu mode='custom' match='exact' check='full'>",
    `  <model fallback='forbid'>${model.name}</model>`,
    `  <vendor>${LIBVIRT_VENDORS[guest.vendor]}</vendor>`,
    ...(physicalBits === 0 ? [] : [`  <maxphysaddr mode='emulate' bits='${physicalBits}'/>`]),
    ...on.map(feature("require")),
    ...off.map(feature("disable")),
    "</cpu>",
  ];
  return { text: `${lines.join("\n")}\n`, unsaid };
}

/** A section of /etc/pve/virtual-guest/cpu-models.conf; guests take it as `custom-evenkeel`. */
export function proxmoxCpu(plan: Plan): Emitted {
  const { model, on, off, unsaid, physicalBits } = named(plan, "Proxmox VE", ({ qemu }) => qemu);
  const flags = [...on.map((name) => `+${name}`), ...off.map((name) => `-${name}`)];
  const lines = [
    "cpu-model: evenkeel",
    `    flags ${flags.join(";")}`,
    ...(physicalBits === 0 ? [] : [`    phys-bits ${physicalBits}`]),
    "    hidden 0",
    `    reported-model ${model.name}`,
  ];
  return { text: `${lines.join("\n")}\n`, unsaid };
}
