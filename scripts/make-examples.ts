/**
 * Writes the example pools: `npm run examples`, or `npm run examples -- DIR` for another place.
 * The nodes are composed from public facts (see packages/core/src/tables/models/intel.ts and Intel
 * ARK for caches and clocks); none was read from a machine.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatProfile, guestCpuOf, onKernel, requireModel, type Caches } from "@evenkeel/core";

interface ExampleNode {
  readonly pool: string;
  readonly name: string;
  readonly model: string;
  readonly sku: string;
  readonly caches: Caches;
  readonly kernel: string;
}

const L1D_32K = [1, 1, 8, 64] as const;
const L1D_48K = [1, 1, 12, 64] as const;
const L1I_32K = [1, 2, 8, 64] as const;
const L2_1M = [2, 3, 16, 1024] as const;
const L2_1280K = [2, 3, 20, 1024] as const;
const L2_2M = [2, 3, 16, 2048] as const;
/** Last-level caches as [level, type, ways, sets]; size = ways × sets × 64 bytes. */
const l3 = (ways: number, sets: number) => [3, 3, ways, sets] as const;

const brandAt = (clock: string) => `Intel(R) Xeon(R) Processor @ ${clock}GHz`;
const UBUNTU_24_04 = "6.8.0-88-generic";

const NODES: readonly ExampleNode[] = [
  {
    pool: "bug-report-pool",
    name: "xeon-silver-4216",
    model: "cascade-lake",
    sku: "Xeon Silver 4216 (16 cores, 2.10 GHz, 22 MB)",
    caches: { caches: [L1D_32K, L1I_32K, L2_1M, l3(11, 32_768)], brand: brandAt("2.10") },
    kernel: UBUNTU_24_04,
  },
  {
    pool: "bug-report-pool",
    name: "xeon-silver-4314",
    model: "ice-lake-sp",
    sku: "Xeon Silver 4314 (16 cores, 2.40 GHz, 24 MB)",
    caches: { caches: [L1D_48K, L1I_32K, L2_1280K, l3(12, 32_768)], brand: brandAt("2.40") },
    kernel: UBUNTU_24_04,
  },
  {
    pool: "intel-pool",
    name: "xeon-gold-6130",
    model: "skylake-sp",
    sku: "Xeon Gold 6130 (16 cores, 2.10 GHz, 22 MB)",
    caches: { caches: [L1D_32K, L1I_32K, L2_1M, l3(11, 32_768)], brand: brandAt("2.10") },
    kernel: UBUNTU_24_04,
  },
  ...["a", "b"].map((suffix): ExampleNode => ({
    pool: "intel-pool",
    name: `xeon-gold-6230-${suffix}`,
    model: "cascade-lake",
    sku: "Xeon Gold 6230 (20 cores, 2.10 GHz, 27.5 MB)",
    caches: { caches: [L1D_32K, L1I_32K, L2_1M, l3(11, 40_960)], brand: brandAt("2.10") },
    kernel: UBUNTU_24_04,
  })),
  ...["a", "b", "c"].map((suffix): ExampleNode => ({
    pool: "intel-pool",
    name: `xeon-gold-6330-${suffix}`,
    model: "ice-lake-sp",
    sku: "Xeon Gold 6330 (28 cores, 2.00 GHz, 42 MB)",
    caches: { caches: [L1D_48K, L1I_32K, L2_1280K, l3(12, 57_344)], brand: brandAt("2.00") },
    kernel: UBUNTU_24_04,
  })),
  {
    pool: "intel-pool",
    name: "xeon-gold-6430",
    model: "sapphire-rapids",
    sku: "Xeon Gold 6430 (32 cores, 2.10 GHz, 60 MB)",
    caches: {
      caches: [L1D_48K, L1I_32K, L2_2M, l3(15, 65_536)],
      brand: "Intel(R) Xeon(R) Processor",
    },
    kernel: UBUNTU_24_04,
  },
  {
    pool: "intel-pool",
    name: "xeon-6-6730p",
    model: "granite-rapids",
    sku: "Xeon 6730P (32 cores, 2.50 GHz, 288 MB)",
    caches: {
      caches: [L1D_48K, L1I_32K, L2_2M, l3(16, 294_912)],
      brand: "Intel(R) Xeon(R) Processor",
    },
    kernel: UBUNTU_24_04,
  },
];

const examples = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "..", "examples");
for (const { pool, name, model, sku, caches, kernel } of NODES) {
  const directory = join(examples, pool);
  mkdirSync(directory, { recursive: true });
  const text = formatProfile({
    name,
    provenance:
      `Composed from public facts about the ${sku}: Intel SDM, Intel ARK, Linux KVM's CPUID ` +
      "rules. An example, not a measurement.",
    host: { kernel, cpuModel: `Intel(R) ${sku.replace(/ \(.*/, "")}` },
    firecracker: ["1.14.1"],
    incomplete: [],
    estimate: false,
    cpu: guestCpuOf(onKernel(requireModel(model), "6.8"), "6.8", caches),
  });
  writeFileSync(join(directory, `${name}.json`), text);
}
