/**
 * When Firecracker sets a guest's TSC to its snapshot's frequency.
 * Source: is_tsc_scaling_required in src/vmm/src/arch/x86_64/vcpu.rs, v1.5.0 to v1.16.0.
 */

/** Two calibrations of one clock differ by less. */
const TSC_TOLERANCE = 250e-6;

/** Whether a node's TSC is taken for the snapshot's, and left as it is there; both in kHz. */
export function isSameTsc(snapshot: number, node: number): boolean {
  return Math.abs(snapshot - node) <= snapshot * TSC_TOLERANCE;
}
