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

function driveArguments({ id, path, readOnly }: Drive): string[] {
  const access = readOnly ? ",readonly=on" : "";
  return [
    "-drive",
    `id=${quoted(id)},if=none,format=raw,file=${quoted(path)}${access}`,
    "-device",
    `virtio-blk-device,drive=${quoted(id)}`,
  ];
}

function networkArguments({ id, hostDevice, mac }: NetworkInterface): string[] {
  const address = mac === undefined ? "" : `,mac=${quoted(mac)}`;
  return [
    "-netdev",
    `tap,id=${quoted(id)},ifname=${quoted(hostDevice)},script=no,downscript=no`,
    "-device",
    `virtio-net-device,netdev=${quoted(id)}${address}`,
  ];
}

function topology({ vcpus, smt }: Machine): string {
  if (!smt || vcpus % 2 !== 0) return String(vcpus);
  return `${vcpus},sockets=1,cores=${vcpus / 2},threads=2`;
}

function machineArguments(machine: Machine, accelerator: Accelerator, cpu: string): string[] {
  return [
    ["-M", "microvm,acpi=off,rtc=on", "-accel", accelerator, "-cpu", cpu],
    ["-smp", topology(machine), "-m", `${machine.memoryMib}M`],
    ["-no-user-config", "-nodefaults", "-no-reboot", "-display", "none"],
    ["-chardev", `file,id=console,path=${CONSOLE},append=on`, "-serial", "chardev:console"],
    ["-qmp", `unix:${SOCKET},server=on,wait=off`],
    machine.drives.flatMap(driveArguments),
    (machine.networks ?? []).flatMap(networkArguments),
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
