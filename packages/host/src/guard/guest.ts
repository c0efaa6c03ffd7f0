/** Which CPU the guest has, by what was asked of Firecracker and was answered with success. */
import {
  armBuiltInTemplate,
  buildStaticTemplate,
  CoreError,
  EMPTY_TEMPLATE,
  inheritContract,
  knownLine,
  parseTemplate,
  predictContract,
  staticTemplateRow,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import type { Shape } from "./settings.ts";

type GuestCpu =
  | { readonly kind: "booted"; readonly shape: Shape }
  | { readonly kind: "loaded"; readonly contract: CpuContract }
  | { readonly kind: "unknown"; readonly reason: string };

export interface Machine {
  readonly vcpus: number;
  readonly smt: boolean;
}

export interface Guest {
  /**
   * A call that changes the CPU has been sent: until it is answered, the CPU is unknown. Returns a
   * function that ends this state, to be called with the answer.
   */
  readonly unsettle: () => () => void;
  /** Firecracker accepted a CPU configuration; `body` is its JSON, undefined if it is not JSON. */
  readonly configured: (body: unknown) => void;
  /** Firecracker accepted a machine configuration; a template in it replaces an earlier one. */
  readonly machineConfigured: (body: unknown) => void;
  /** A snapshot was loaded, with its contract if there was one. */
  readonly loaded: (contract: CpuContract | undefined) => void;
  /** The contract of a snapshot taken now; throws where nothing is known about the guest's CPU. */
  readonly contract: (machine: Machine) => CpuContract;
}

/** No template, and what contracts call it: nothing. */
const BARE: Shape = { template: EMPTY_TEMPLATE };

function builtIn(name: string, version: string): GuestCpu {
  if (name === "None") return { kind: "booted", shape: BARE };
  const row = staticTemplateRow(name);
  const template =
    row === undefined ? armBuiltInTemplate(name) : buildStaticTemplate(row, knownLine(version));
  if (template === undefined) return { kind: "unknown", reason: `${name} is not known` };
  return { kind: "booted", shape: { template, name } };
}

function custom(body: unknown): GuestCpu {
  try {
    return { kind: "booted", shape: { template: parseTemplate(body), name: "PUT /cpu-config" } };
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    return { kind: "unknown", reason: `its CPU template was not understood: ${error.message}` };
  }
}

/** A body as the members of a JSON object; Firecracker also accepts arrays as objects. */
function membersOf(body: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
  return body as Record<string, unknown>;
}

/** `shape`: what the launcher configured. */
export function guestOf(shape: Shape, version: string, profile: () => NodeProfile): Guest {
  let cpu: GuestCpu = { kind: "booted", shape };

  function predict({ template, name, class: nodeClass, plan }: Shape, machine: Machine) {
    const result = predictContract(profile(), {
      firecracker: version,
      ...machine,
      time: new Date().toISOString(),
      ...(template === undefined ? {} : { template }),
      ...(name === undefined ? {} : { templateName: name }),
      ...(nodeClass === undefined ? {} : { class: nodeClass }),
      ...(plan === undefined ? {} : { plan }),
    });
    if (result.ok) return result.contract;
    throw new Error(`the node's profile lacks ${result.missing.join(", ")}`);
  }

  return {
    unsettle: () => {
      const before = cpu;
      cpu = { kind: "unknown", reason: "Firecracker has not answered the call that changes it" };
      return () => {
        cpu = before;
      };
    },
    configured: (body) => {
      cpu = custom(body);
    },
    machineConfigured: (body) => {
      const members = membersOf(body);
      const name = members?.["cpu_template"] ?? undefined;
      if (typeof name === "string") cpu = builtIn(name, version);
      else if (members === undefined || name !== undefined) {
        cpu = { kind: "unknown", reason: "its machine configuration was not understood" };
      }
    },
    loaded: (contract) => {
      const reason = "it was loaded from a snapshot without a contract";
      cpu = contract === undefined ? { kind: "unknown", reason } : { kind: "loaded", contract };
    },
    contract: (machine) => {
      if (cpu.kind === "booted") return predict(cpu.shape, machine);
      if (cpu.kind === "unknown") throw new Error(`the guest CPU is unknown: ${cpu.reason}`);
      const time = new Date().toISOString();
      return inheritContract(cpu.contract, profile(), { firecracker: version, time });
    },
  };
}
