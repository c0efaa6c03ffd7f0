/** A test that starts a program is not of the unit tier; docs: CONTRIBUTING, "Tests". */
import { vi } from "vitest";

vi.mock("node:child_process", async (importOriginal) => {
  const original = await importOriginal<typeof import("node:child_process")>();
  const refuse = () => {
    throw new Error("unit tests start no programs; see scripts/test-tiers.ts");
  };
  const names = ["exec", "execFile", "execFileSync", "execSync", "fork", "spawn", "spawnSync"];
  return { ...original, ...Object.fromEntries(names.map((name) => [name, refuse])) };
});
