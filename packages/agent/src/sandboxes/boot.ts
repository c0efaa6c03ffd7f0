/** Booting a machine in a microVM's directory. */
import type { Machine } from "@evenkeel/api";
import type { CpuContract } from "@evenkeel/core";
import type { MicroVm } from "@evenkeel/host";
import type { Context } from "./context.ts";
import { contractOf, shapeOf, type CpuShape } from "../cpu/shape.ts";
import { asVmmError } from "../errors.ts";
import type { Release } from "../releases.ts";
import { findImage, findKernel } from "../store/images.ts";
import { networkOf, requireNetwork, takeCell } from "./confine.ts";
import { drivesOf, makeVmDirectory, vsockOf, type DiskSource } from "./vm-directory.ts";

/** A machine whose parts were all found and whose CPU was accepted. */
export interface ReadyMachine {
  readonly machine: Machine;
  readonly release: Release;
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly disks: readonly DiskSource[];
  readonly shape: CpuShape;
  readonly contract: CpuContract;
  /** Why its pool's plan does not shape it, if there should be one. */
  readonly unplanned: string | undefined;
}

/**
 * Finds the parts of a machine; throws NO_SUCH_RELEASE, NO_SUCH_IMAGE, CPU_REFUSED, NO_PLAN, NETWORK_OFF.
 */
export async function prepareMachine(context: Context, machine: Machine): Promise<ReadyMachine> {
  const { profile, releases, settings } = context;
  const { kernelsDir, imagesDir, allowInsecure } = settings;
  const { vcpus, smt, cpu, network } = machine;
  requireNetwork(context, network);
  const release = releases.named(machine.firecracker);
  const guest = { profile, firecracker: release.version, vcpus, smt, allowInsecure };
  const { shape, unplanned } =
    cpu === undefined ? context.shapeForBoot() : { shape: shapeOf(cpu, guest) };
  const contract = contractOf(shape, guest);
  const disks: DiskSource[] = [];
  for (const { id, image, readOnly, root } of machine.disks) {
    disks.push({ id, readOnly, root, source: await findImage(imagesDir, image), own: false });
  }
  return {
    machine,
    release,
    kernel: findKernel(kernelsDir, machine.kernel),
    initrd: machine.initrd === undefined ? undefined : await findImage(imagesDir, machine.initrd),
    disks,
    shape,
    contract,
    unplanned,
  };
}

/** Boots it; settles once the guest runs. */
export async function bootMachine(
  context: Context,
  id: string,
  ready: ReadyMachine,
): Promise<MicroVm> {
  const { machine, release, kernel, initrd, disks, shape, unplanned } = ready;
  if (unplanned !== undefined) context.events.emit("boot.unplanned", id, { why: unplanned });
  try {
    const directory = await makeVmDirectory(context, id, disks, ready.contract);
    const drives = drivesOf(directory, disks);
    const cell = await takeCell(context, release.driver, id, machine, drives);
    return await release.driver.boot({
      directory,
      kernel,
      ...(initrd === undefined ? {} : { initrd }),
      drives,
      ...networkOf(machine),
      vcpus: machine.vcpus,
      smt: machine.smt,
      memoryMib: machine.memoryMib,
      cpu: shape.choice,
      ...(machine.vsock ? { vsock: vsockOf(directory) } : {}),
      ...cell,
    });
  } catch (error) {
    throw asVmmError(error, "the microVM did not boot");
  }
}
