/** Booting a machine in a microVM's directory. */
import type { Machine } from "@evenkeel/api";
import type { CpuContract } from "@evenkeel/core";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "../context.ts";
import { contractOf, shapeOf, type CpuShape } from "../cpu/shape.ts";
import { asVmmError } from "../errors.ts";
import type { Release } from "../releases.ts";
import { findImage, findKernel } from "../store/images.ts";
import {
  drivesOf,
  keepContract,
  makeVmDirectory,
  vsockOf,
  type DiskSource,
} from "./vm-directory.ts";

/** A machine whose parts were all found, and whose CPU was accepted. */
export interface ReadyMachine {
  readonly machine: Machine;
  readonly release: Release;
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly disks: readonly DiskSource[];
  readonly shape: CpuShape;
  readonly contract: CpuContract;
}

/** Finds the parts of a machine; throws NO_SUCH_RELEASE, NO_SUCH_IMAGE, CPU_REFUSED. */
export async function prepareMachine(context: Context, machine: Machine): Promise<ReadyMachine> {
  const { profile, releases, settings } = context;
  const { kernelsDir, imagesDir, allowInsecure } = settings;
  const { vcpus, smt, cpu } = machine;
  const release = releases.named(machine.firecracker);
  const guest = { profile, firecracker: release.version, vcpus, smt, allowInsecure };
  const shape = cpu === undefined ? context.cpu : shapeOf(cpu, guest);
  const contract = contractOf(shape, guest);
  const disks = machine.disks.map(async ({ id, image, readOnly, root }) => {
    return { id, readOnly, root, source: await findImage(imagesDir, image), own: false };
  });
  return {
    machine,
    release,
    kernel: findKernel(kernelsDir, machine.kernel),
    initrd: machine.initrd === undefined ? undefined : await findImage(imagesDir, machine.initrd),
    disks: await Promise.all(disks),
    shape,
    contract,
  };
}

/** Boots it; settles once the guest runs. */
export async function bootMachine(
  context: Context,
  id: string,
  ready: ReadyMachine,
): Promise<MicroVm> {
  const { machine, release, kernel, initrd, disks, shape } = ready;
  try {
    const directory = await makeVmDirectory(context, id, disks);
    await keepContract(directory, ready.contract);
    return await release.driver.boot({
      directory,
      kernel,
      ...(initrd === undefined ? {} : { initrd }),
      drives: drivesOf(directory, disks),
      bootArgs: machine.bootArgs,
      vcpus: machine.vcpus,
      smt: machine.smt,
      memoryMib: machine.memoryMib,
      cpu: shape.choice,
      ...(machine.vsock ? { vsock: vsockOf(directory) } : {}),
    });
  } catch (error) {
    throw asVmmError(error, "the microVM did not boot");
  }
}
