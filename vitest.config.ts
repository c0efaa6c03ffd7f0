import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@evenkeel/source"] },
  ssr: { resolve: { conditions: ["@evenkeel/source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "packaging/test/**/*.test.ts"],
    // Property tests plan whole pools many times; a shared two-core machine needs room.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
