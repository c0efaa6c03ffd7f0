/** A made-up fleet: many nodes of a few dozen classes, written as profiles. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  formatProfile,
  INTEL_MODELS,
  intelGuestCpu,
  type Caches,
  type IntelModelId,
} from "@evenkeel/core";

const CACHES: Caches = {
  caches: [
    [1, 1, 8, 64],
    [1, 2, 8, 64],
    [2, 3, 16, 1024],
    [3, 3, 11, 32_768],
  ],
  brand: "Intel(R) Xeon(R) Processor",
};

/** Firmware and kernels differ in such bits between nodes of one model. */
const VARIATIONS = [
  "",
  "ERMS",
  "FLUSH_L1D",
  "KVM_PV_SCHED_YIELD",
  "KVM_POLL_CONTROL",
  "PSDP_NO",
  "PCID",
];

/** `count` distinct classes: every model with one feature or another missing. */
function classes(count: number) {
  const models = Object.keys(INTEL_MODELS) as IntelModelId[];
  const all = VARIATIONS.flatMap((missing) =>
    models.map((id) => {
      const model = INTEL_MODELS[id];
      const features = model.features.filter((name) => name !== missing);
      return intelGuestCpu({ ...model, features }, CACHES);
    }),
  );
  return all.slice(0, count);
}

/** Writes `nodes` profiles of `classCount` classes and returns their paths. */
export function writeFleet(directory: string, nodes: number, classCount: number): string[] {
  mkdirSync(directory, { recursive: true });
  const cpus = classes(classCount);
  return Array.from({ length: nodes }, (_, i) => {
    const cpu = cpus[i % cpus.length];
    if (cpu === undefined) throw new Error("a fleet needs at least one class");
    const name = `node-${i.toString().padStart(5, "0")}`;
    const path = join(directory, `${name}.json`);
    const host = { kernel: "6.8.0-88-generic", microcode: `0x${(i % 7).toString(16)}` };
    const facts = { provenance: undefined, host, firecracker: ["1.14.1"], incomplete: [] };
    writeFileSync(path, formatProfile({ name, ...facts, cpu }));
    return path;
  });
}
