/** A VMM driver that remembers what it started, so that the lab sees the microVMs of its agents. */
import { link } from "node:fs/promises";
import { basename, join } from "node:path";
import { HostError, type MicroVm, type VmmDriver } from "@evenkeel/host";

/** A microVM, or the VMM's error if there is none. */
type Started = MicroVm | HostError;

export interface Recording {
  readonly driver: VmmDriver;
  /** By the name of the microVM's directory: with an agent, its sandbox's id. */
  readonly started: ReadonlyMap<string, Started>;
  /** The microVM that is booted next. */
  nextBoot(): Promise<MicroVm>;
}

/**
 * `consoles` will hold a hard link to each console's file: when a guest ends, its agent removes its
 * own name, and the guest's last output would be lost.
 */
export function record(driver: VmmDriver, consoles: string): Recording {
  const started = new Map<string, Started>();
  let announce: ((vm: MicroVm) => void) | undefined;
  const keep = async (directory: string, starting: Promise<MicroVm>): Promise<MicroVm> => {
    const id = basename(directory);
    try {
      const vm = await starting;
      const console = join(consoles, `${id}.log`);
      await link(vm.console, console);
      const seen = { ...vm, console };
      started.set(id, seen);
      return seen;
    } catch (error) {
      if (error instanceof HostError) started.set(id, error);
      throw error;
    }
  };
  return {
    started,
    nextBoot: () => new Promise((resolve) => (announce = resolve)),
    driver: {
      ...driver,
      load: (spec) => keep(spec.directory, driver.load(spec)),
      boot: async (spec) => {
        const vm = await keep(spec.directory, driver.boot(spec));
        announce?.(vm);
        return vm;
      },
    },
  };
}
