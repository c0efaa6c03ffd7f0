/** An emulated node, and its profile, read from inside a guest. */
import { release } from "node:os";
import type { CpuidEntry, NodeProfile } from "@evenkeel/core";

export interface LabNode {
  /** Short, for grids: the CPU's model, with a mark if switches change it. */
  readonly name: string;
  /** As `-cpu` takes it. */
  readonly cpu: string;
}

/**
 * Splits `A,-x,+y,B`: a part that begins with a sign or is `key=value` belongs to the model before.
 * A CPU that is named again is another node: `A #2`.
 */
export function parseNodes(text: string): LabNode[] {
  const cpus: string[] = [];
  for (const part of text.split(",").map((p) => p.trim())) {
    if (part === "") continue;
    const last = cpus.length - 1;
    if (last >= 0 && (/^[-+]/.test(part) || part.includes("="))) cpus[last] += `,${part}`;
    else cpus.push(part);
  }
  return cpus.map((cpu, i) => {
    const before = cpus.slice(0, i).filter((other) => other === cpu).length;
    return { name: before === 0 ? cpu : `${cpu} #${before + 1}`, cpu };
  });
}

/**
 * Facts about an emulated node. It names QEMU instead of Firecracker: its snapshots have QEMU's
 * format, and QEMU overwrites nothing that a guest sees. The kernel is this machine's.
 */
export function profileOf(
  node: LabNode,
  cpuid: readonly CpuidEntry[],
  qemuVersion: string,
): NodeProfile {
  return {
    name: node.name,
    cpu: { arch: "x86_64", view: "guest", cpuid, msrs: [], registers: [] },
    host: { kernel: release() },
    firecracker: [`qemu-${qemuVersion}`],
    provenance: `read from inside a guest under QEMU ${qemuVersion}, -cpu ${node.cpu}`,
    incomplete: [],
    estimate: false,
  };
}
