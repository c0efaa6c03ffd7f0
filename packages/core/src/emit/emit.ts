/** A plan's guest CPU in the terms of other virtual machine monitors. */
import { cloudHypervisorCpu } from "./cloud-hypervisor.ts";
import { libvirtCpu, proxmoxCpu } from "./named-model.ts";
import { qemuCpu } from "./qemu.ts";

/** How a monitor is told; each throws for aarch64, whose registers none of them takes in words. */
export const EMITTERS = {
  qemu: qemuCpu,
  libvirt: libvirtCpu,
  proxmox: proxmoxCpu,
  "cloud-hypervisor": cloudHypervisorCpu,
} as const;

export type Monitor = keyof typeof EMITTERS;
