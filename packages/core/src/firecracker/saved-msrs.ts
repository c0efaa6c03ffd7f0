/**
 * MSRs that Firecracker saves into a snapshot and restores, of those that KVM lists.
 * Source: SERIALIZABLE_MSR_RANGES in src/vmm/src/arch/x86_64/msr.rs, v1.5.0 to v1.16.0. MSRs that
 * a template names, and those implied by CPUID (MPX: BNDCFGS), come on top.
 */
import { words } from "../tables/words.ts";

/** In hexadecimal, sorted. */
const RANGES = words(`
  0-1 10 17 1b 2a 2c 34 3a-3b 48-49 79 8b 9e cd-ce e2 e7-e8 fe 11e 122 140 174-176 179-17a 198
  1a0 1a4 1aa 1ad-1ae 1d9 1db-1de 1fc 200-2ff 3fc-3fe 400-47f 606 60a-60c 610-61c 648-64c 6e0
  800-bff da0 4b564d00-4b564dff c0000080-c0000084 c0000100-c0000103 c0010015`).map((range) =>
  range.split("-").map((end) => Number.parseInt(end, 16)),
);

/** The first range that ends behind an address is the only one that may have it. */
export function isSavedMsr(addr: number): boolean {
  for (const [first = 0, last = first] of RANGES) if (addr <= last) return addr >= first;
  return false;
}
