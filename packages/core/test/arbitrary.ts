/** Random pools for property tests: real models with features missing, kernels varied. */
import fc from "fast-check";
import { guestCpuOf, onKernel, type Caches } from "../src/catalogue/guest-of-model.ts";
import { CATALOGUE_MODELS, requireModel } from "../src/tables/models.ts";
import type { NodeProfile } from "../src/profile/profile.ts";

const IDS = CATALOGUE_MODELS.filter(({ vendor }) => vendor === "intel").map(({ id }) => id);
const CACHES = { caches: [[1, 1, 8, 64]] as const, brand: "Intel(R) Xeon(R) Processor" };

/**
 * Firecracker sets the first ones itself, so no guest lacks them. A pool is refused without
 * ARCH_CAPABILITIES, and where a node lacks a remedy that another announces and is not immune.
 */
const FORCED: ReadonlySet<string> = new Set([
  "TSC_DEADLINE",
  "HYPERVISOR",
  "FDP_EXCPTN_ONLY",
  "ZERO_FCS_FDS",
  "ARCH_CAPABILITIES",
  ..."MD_CLEAR FLUSH_L1D FB_CLEAR RFDS_CLEAR".split(" "),
  ..."MDS_NO TAA_NO RFDS_NO SBDR_SSDP_NO FBSDP_NO PSDP_NO".split(" "),
]);

/** Any model, with any few of its features switched off: consistent or not. */
export const nodeCpu = fc
  .record({
    id: fc.constantFrom(...IDS),
    off: fc.array(fc.nat(), { maxLength: 6 }),
    subleaf: fc.nat({ max: 2 }),
    bits: fc.constantFrom(46, 48, 52),
  })
  .map(({ id, off, subleaf, bits }) => {
    const model = onKernel(requireModel(id), "6.8");
    const removable = model.features.filter((name) => !FORCED.has(name));
    const gone = new Set<string>(off.flatMap((n) => removable[n % removable.length] ?? []));
    const features = model.features.filter((name) => !gone.has(name));
    const sizes = { maxLeaf7Subleaf: Math.min(subleaf, model.maxLeaf7Subleaf), physicalBits: bits };
    return guestCpuOf({ ...model, ...sizes, features }, "6.8", CACHES);
  });

/** A model on Linux 6.8, some of its features switched off. */
export function modelCpu(
  id: string,
  off: readonly string[] = [],
  caches: Caches = CACHES,
): NodeProfile["cpu"] {
  const known = onKernel(requireModel(id), "6.8");
  const features = known.features.filter((name) => !off.includes(name));
  return guestCpuOf({ ...known, features }, "6.8", caches);
}

export function node(name: string, cpu: NodeProfile["cpu"]): NodeProfile {
  const facts = { host: {}, firecracker: [], provenance: undefined, incomplete: [] };
  return { name, cpu, ...facts, estimate: false };
}

export const pool = fc
  .array(nodeCpu, { minLength: 1, maxLength: 5 })
  .map((cpus) => cpus.map((cpu, i) => node(`node-${i}`, cpu)));
