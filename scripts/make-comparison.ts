/** Writes docs/comparison.md from the shared fingerprints: `npm run compare`, some minutes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { vendorOfCpu } from "@evenkeel/core";
import { allFingerprints } from "../packages/core/test/shared-data.ts";
import { comparePool, onOneKernel, subsets } from "./comparison.ts";
import { comparisonPage } from "./comparison-page.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const nodes = allFingerprints("1.16.1").map(onOneKernel);
if (nodes.length === 0) {
  process.stderr.write("../shared/data is not there: docs/comparison.md stays as it is\n");
  process.exit(3);
}

const sections = (["intel", "amd"] as const).map((vendor) => {
  const own = nodes.filter(({ cpu }) => vendorOfCpu(cpu.cpuid) === vendor);
  const pools = subsets(own).map((pool, i, all) => {
    if (i % 50 === 0) process.stderr.write(`${vendor}: ${i} of ${all.length} pools\n`);
    return comparePool(pool);
  });
  // Names of older and newer ones have a number.
  const shown = pools.filter((pool) => !pool.nodes.some((name) => name.includes("__")));
  return { title: vendor === "intel" ? "Intel" : "AMD", pools, shown };
});
writeFileSync(join(root, "docs/comparison.md"), comparisonPage(sections));
