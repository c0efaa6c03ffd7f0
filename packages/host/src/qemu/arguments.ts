/** QEMU's command line, from what a microVM is to be. Pure: nothing is read or started here. */
import type { Drive, NetworkInterface } from "../vmm.ts";

/** The virtual machine itself: what a snapshot needs to be loaded into. */
export interface Machine {
  readonly vcpus: number;
  readonly smt: boolean;
  readonly memoryMib: number;
  readonly drives: readonly Drive[];
  readonly networks?: readonly NetworkInterface[];
}

/** What a cold boot adds. */
export interface Kernel {
  readonly kernel: string;
  readonly initrd?: string;
  readonly bootArgs: string;
}

/** In the microVM's directory, which is QEMU's working directory: paths stay short. */
export const CONSOLE = "console.log";
export const SOCKET = "qmp.sock";
export const LOG = "qemu.log";

export type Accelerator = "tcg" | "kvm";

/** Within `-option key=value,…` a comma is written twice. */
function quoted(value: string): string {
  return value.replaceAll(",", ",,");
}

/**
 * QEMU's microvm is what Firecracker's machine is most like. Its devices are told of by ACPI, with
 * which Debian's kernel has no timer there, or on the command line, which it does not read: a guest
 * with a network has a machine with PCI instead.
 */
function boardOf({ networks = [] }: Machine): { readonly board: string; readonly bus: string } {
  return networks.length === 0
    ? { board: "microvm,acpi=off,rtc=on", bus: "device" }
    : { board: "q35", bus: "pci" };
}

function driveArguments({ id, path, readOnly }: Drive, bus: string): string[] {
  const access = readOnly ? ",readonly=on" : "";
  return [
    "-drive",
    `id=${quoted(id)},if=none,format=raw,file=${quoted(path)}${access}`,
    "-device",
    `virtio-blk-${bus},drive=${quoted(id)}`,
  ];
}

function networkArguments({ id, hostDevice, mac }: NetworkInterface, bus: string): string[] {
  const address = mac === undefined ? "" : `,mac=${quoted(mac)}`;
  return [
    "-netdev",
    `tap,id=${quoted(id)},ifname=${quoted(hostDevice)},script=no,downscript=no`,
    "-device",
    `virtio-net-${bus},netdev=${quoted(id)}${address},romfile=`,
  ];
}

function topology({ vcpus, smt }: Machine): string {
  if (!smt || vcpus % 2 !== 0) return String(vcpus);
  return `${vcpus},sockets=1,cores=${vcpus / 2},threads=2`;
}

function machineArguments(machine: Machine, accelerator: Accelerator, cpu: string): string[] {
  const { board, bus } = boardOf(machine);
  return [
    ["-M", board, "-accel", accelerator, "-cpu", cpu],
    ["-smp", topology(machine), "-m", `${machine.memoryMib}M`],
    ["-no-user-config", "-nodefaults", "-no-reboot", "-display", "none"],
    ["-chardev", `file,id=console,path=${CONSOLE},append=on`, "-serial", "chardev:console"],
    ["-qmp", `unix:${SOCKET},server=on,wait=off`],
    machine.drives.flatMap((drive) => driveArguments(drive, bus)),
    (machine.networks ?? []).flatMap((one) => networkArguments(one, bus)),
    // Nothing runs before the control socket is there.
    ["-S"],
  ].flat();
}

/** Arguments of a cold boot; `cpu` is the whole value of `-cpu`. */
export function bootArguments(
  machine: Machine,
  { kernel, initrd, bootArgs }: Kernel,
  accelerator: Accelerator,
  cpu: string,
): string[] {
  return [
    ...machineArguments(machine, accelerator, cpu),
    "-kernel",
    kernel,
    "-append",
    bootArgs,
    ...(initrd === undefined ? [] : ["-initrd", initrd]),
  ];
}

/** Arguments of a process that waits for a snapshot. */
export function loadArguments(machine: Machine, accelerator: Accelerator, cpu: string): string[] {
  return [...machineArguments(machine, accelerator, cpu), "-incoming", "defer"];
}

/** A migration address that QEMU hands to a shell, which sees the path as one word. */
export function shellPipe(command: "cat >" | "cat <", path: string): string {
  return `exec:${command} '${path.replaceAll("'", String.raw`'\''`)}'`;
}
