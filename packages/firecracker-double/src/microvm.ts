/**
 * A microVM's life: what may be done before and after it runs, and what each call answers.
 * Source: src/vmm/src/rpc_interface.rs, builder.rs and persist.rs, v1.14.1.
 */
import { createConfiguration } from "./configuration.ts";
import { fault, FaultError } from "./fault.ts";
import { checkDiff, create, load, resume, setCpu, setMmds, start, type Vm } from "./life.ts";
import type { Action } from "./requests.ts";
import type { DoubleSettings } from "./settings.ts";
import { LINE, lineNumber } from "./versions.ts";

export interface MicrovmOptions {
  readonly id: string;
  readonly settings: DoubleSettings;
  readonly print: (line: string) => void;
  /** The guest has shut down. */
  readonly halt: () => void;
}

export interface Microvm {
  /** Carries out one action; the answer's body, undefined where there is none. */
  readonly handle: (action: Action) => Promise<unknown>;
}

type Kind = Action["kind"];
type Handler<K extends Kind> = (action: Extract<Action, { readonly kind: K }>) => unknown;
type Handlers = { readonly [K in Kind]?: Handler<K> };

const PRE_BOOT = "The requested operation is not supported before starting the microVM.";
const POST_BOOT = "The requested operation is not supported after starting the microVM.";

/** Runs a step; from 1.6 on its faults name what failed. */
async function step(vm: Vm, prefix: string, run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    const named = error instanceof FaultError && lineNumber(vm.version) >= LINE.namedFaults;
    if (!named) throw error;
    throw new FaultError(`${prefix}: ${error.message}`, error.status, error.fatal);
  }
}

function configure(vm: Vm, prefix: string, run: () => void): Promise<void> {
  vm.bootPath = true;
  return step(vm, prefix, run);
}

type Get = Extract<Action, { readonly kind: "get" }>["what"];

function answer({ config, state, version, mmds }: Vm, id: string, what: Get): unknown {
  const answers = {
    instance: () => ({ id, state, vmm_version: version, app_name: "Firecracker" }),
    version: () => ({ firecracker_version: version }),
    machine: config.machine,
    config: config.all,
    mmds: () => mmds ?? {},
    balloon: () => {
      throw fault("Balloon config error: No balloon device found.");
    },
  };
  return answers[what]();
}

function always(vm: Vm, id: string): Handlers {
  return {
    get: ({ what }) => answer(vm, id, what),
    mmds: ({ value, patch }) => step(vm, "MMDS error", () => setMmds(vm, value, patch)),
  };
}

function beforeBoot(vm: Vm): Handlers {
  return {
    "boot-source": ({ body }) =>
      configure(vm, "Boot source error", () => vm.config.setBootSource(body)),
    machine: ({ body }) =>
      configure(vm, "Machine config error", () => vm.config.setMachine(body, false)),
    "patch-machine": ({ body }) =>
      configure(vm, "Machine config error", () => vm.config.setMachine(body, true)),
    drive: ({ body }) => configure(vm, "Drive config error", () => vm.config.setDrive(body)),
    network: ({ body }) => configure(vm, "Network config error", () => vm.config.setNetwork(body)),
    device: ({ key, body, boots }) => {
      vm.bootPath ||= boots;
      vm.config.setDevice(key, body);
    },
    cpu: ({ body }) => setCpu(vm, body),
    start: () => step(vm, "Start microvm error", () => start(vm)),
    load: ({ body }) => step(vm, "Load snapshot error", () => load(vm, body)),
  };
}

/** The double has no PCI. */
function hotPlug(vm: Vm): never {
  if (lineNumber(vm.version) < LINE.hotPlug) throw fault(POST_BOOT);
  throw fault("PCI is not enabled");
}

function afterBoot(vm: Vm, halt: () => void): Handlers {
  return {
    drive: () => hotPlug(vm),
    network: () => hotPlug(vm),
    unplug: () => hotPlug(vm),
    pause: () => {
      vm.state = "Paused";
    },
    resume: () => resume(vm),
    create: ({ body }) => {
      checkDiff(vm, body);
      return step(vm, "Create snapshot error", () => create(vm, body));
    },
    "ctrl-alt-del": () => {
      vm.print("evenkeel double: guest rebooted");
      halt();
    },
    flush: () => undefined,
    "patch-drive": () => undefined,
    "patch-network": () => undefined,
  };
}

export function createMicrovm({ id, settings, print, halt }: MicrovmOptions): Microvm {
  const { version } = settings;
  const config = createConfiguration(version);
  const vm: Vm = {
    settings,
    version,
    config,
    print,
    state: "Not started",
    bootPath: false,
    mmds: undefined,
    cpu: null,
    missing: [],
  };
  const both = always(vm, id);
  const handlers = { before: beforeBoot(vm), after: afterBoot(vm, halt) };
  return {
    handle: async (action) => {
      const isBooted = vm.state !== "Not started";
      const { before, after } = handlers;
      const handler = both[action.kind] ?? (isBooted ? after : before)[action.kind];
      if (handler === undefined) throw fault(isBooted ? POST_BOOT : PRE_BOOT);
      return (handler as (given: Action) => unknown)(action);
    },
  };
}
