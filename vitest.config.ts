import { defineConfig } from "vitest/config";
import { testTiers, TIERS, type Tier } from "./scripts/test-tiers.ts";

const files = testTiers(import.meta.dirname);

/**
 * Machines in emulation take a core each, one after the other. What starts programs waits for them
 * most of the time, so that a machine of two cores has room for two, where Vitest takes one.
 */
const WORKERS: Record<Tier, object> = {
  unit: { sequence: { groupOrder: 1 } },
  thorough: { maxWorkers: 2, sequence: { groupOrder: 2 } },
  process: { maxWorkers: 2, sequence: { groupOrder: 2 } },
  emulated: { maxWorkers: 1, sequence: { groupOrder: 0 } },
};

export default defineConfig({
  resolve: { conditions: ["@evenkeel/source"] },
  ssr: { resolve: { conditions: ["@evenkeel/source"] } },
  test: {
    // Property tests plan whole pools many times; a shared two-core machine needs room.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Under CI=true picocolors colors whatever it prints, and modules that are shared ask once.
    env: { NO_COLOR: "1" },
    projects: TIERS.map((name) => ({
      extends: true,
      test: {
        name,
        include: [...files[name]],
        ...WORKERS[name],
        // Importing the tables anew for each file took longer than the tests.
        ...(name === "unit" ? { setupFiles: ["./scripts/unit-setup.ts"], isolate: false } : {}),
      },
    })),
  },
});
