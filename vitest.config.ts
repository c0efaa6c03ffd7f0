import { defineConfig } from "vitest/config";
import { testTiers, TIERS } from "./scripts/test-tiers.ts";

const files = testTiers(import.meta.dirname);

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
        // Importing the tables anew for each file took longer than the tests.
        ...(name === "unit" ? { setupFiles: ["./scripts/unit-setup.ts"], isolate: false } : {}),
      },
    })),
  },
});
