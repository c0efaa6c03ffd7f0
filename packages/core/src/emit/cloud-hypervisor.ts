/**
 * Cloud Hypervisor shows guests the host's CPU: what it can be told is the number of physical
 * address bits, AMX and nested virtualization. Everything else that nodes differ in stays.
 * Source: https://github.com/cloud-hypervisor/cloud-hypervisor/blob/main/docs/cpu.md.
 */
import type { Plan } from "../plan/plan.ts";
import { guestOf, sorted, type Emitted, type Guest, type Unsaid } from "./guest.ts";

const NESTED = ["VMX", "SVM"];
const AMX_GROUP = "AMX";

/** Features off by its switches wherever the plan has them off. */
function isSwitched(name: string, group: string, guest: Guest): boolean {
  if (NESTED.includes(name)) return true;
  return group === AMX_GROUP && guest.value("AMX_TILE") === 0;
}

function differing({ classes, levelled, identity }: Plan, guest: Guest): Unsaid[] {
  const monitor = "Cloud Hypervisor";
  const seen = new Map<string, Unsaid>();
  for (const { nodeClass, givesUp } of classes) {
    for (const { name, address, group } of givesUp) {
      if (seen.has(name) || isSwitched(name, group, guest)) continue;
      const message = `${monitor} cannot hide ${name}, which ${nodeClass.id} has`;
      seen.set(name, { name, address, effect: "differs", message });
    }
  }
  for (const { name, address } of levelled.filter((one) => one.name !== "MAXPHYADDR")) {
    const message = `${monitor} cannot lower ${name} to the plan's`;
    seen.set(name, { name, address, effect: "differs", message });
  }
  if (classes.length > 1) {
    const plans = identity === undefined ? "its own" : identity.name;
    const message = `guests see each node's family, model and stepping; the plan has ${plans}`;
    seen.set("identity", {
      name: "identity",
      address: "CPUID.01H:EAX[31:0]",
      effect: "differs",
      message,
    });
  }
  return [...seen.values()];
}

/** A vulnerability bit that some class lacks cannot be added there. */
function unshown({ united }: Plan): Unsaid[] {
  return united.map(({ name, address }) => ({
    name,
    address,
    effect: "insecure",
    message: `Cloud Hypervisor shows ${name} only on the nodes that have it`,
  }));
}

export function cloudHypervisorCpu(plan: Plan): Emitted {
  const guest = guestOf(plan);
  const bits = guest.value("MAXPHYADDR");
  const words = [
    ...(bits === 0 ? [] : [`max_phys_bits=${bits}`]),
    ...(guest.value("AMX_TILE") === 0 ? [] : ["features=amx"]),
    `nested=${NESTED.some((name) => guest.value(name) !== 0) ? "on" : "off"}`,
  ];
  return {
    text: `--cpus boot=1,${words.join(",")}\n`,
    unsaid: sorted([...differing(plan, guest), ...unshown(plan)]),
  };
}
