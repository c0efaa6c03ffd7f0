/** Nothing is lost, doubled or left over, whoever is killed when. `npm run bench` runs 500. */
import { expect, test } from "vitest";
import { printedSeed, randomFrom } from "./random.ts";
import { runSoak } from "./soak.ts";
import { temporaryDirectory } from "./support.ts";

test("sandboxes live and end while the agent and microVMs are killed at random", async () => {
  const result = await runSoak({
    directory: temporaryDirectory(),
    lifecycles: 24,
    atOnce: 8,
    answersPerKill: 25,
    killVm: 0.2,
    random: randomFrom(printedSeed("soak")),
  });
  expect(result.violations).toEqual([]);
  expect(result.agentKills).toBeGreaterThan(0);
}, 180_000);
