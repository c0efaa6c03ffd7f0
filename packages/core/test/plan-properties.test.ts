import fc from "fast-check";
import { expect, test } from "vitest";
import { simulate } from "../src/firecracker/simulate.ts";
import { planToJson } from "../src/plan/file.ts";
import type { Plan } from "../src/plan/plan.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile, OfferedCpu } from "../src/profile/profile.ts";
import { formatTemplate } from "../src/template/format.ts";
import { node, nodeCpu, pool } from "./arbitrary.ts";
import {
  naiveApply,
  naiveDifferences,
  naiveGuest,
  naiveHiddenWeaknesses,
  naiveUnbacked,
} from "./naive.ts";

function planned(profiles: readonly NodeProfile[]): Plan {
  const result = planPool(profiles);
  if (!result.ok) throw new Error(result.refusals.map(({ message }) => message).join("\n"));
  return result.plan;
}

function guests(profiles: readonly NodeProfile[], plan: Plan) {
  return profiles.map((profile) => {
    const own = plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes(profile.name));
    if (own === undefined) throw new Error(`${profile.name} is in no class`);
    return naiveApply(naiveGuest(profile), formatTemplate(own.template));
  });
}

test("all guests of a pool are the same, backed by their nodes, and hide no weakness", () => {
  fc.assert(
    fc.property(pool, (profiles) => {
      const seen = guests(profiles, planned(profiles));
      const nodes = profiles.map(naiveGuest);
      for (const [i, guest] of seen.entries()) {
        expect(naiveDifferences(seen[0] ?? new Map(), guest)).toEqual([]);
        expect(naiveUnbacked(guest, nodes[i] ?? new Map())).toEqual([]);
        expect(naiveHiddenWeaknesses(guest, nodes)).toEqual([]);
      }
    }),
    { numRuns: 150 },
  );
});

test("the order of the profiles does not matter", () => {
  fc.assert(
    fc.property(pool, fc.nat(), (profiles, turn) => {
      const at = turn % profiles.length;
      const turned = [...profiles.slice(at), ...profiles.slice(0, at)].toReversed();
      expect(planToJson(planned(turned))).toEqual(planToJson(planned(profiles)));
    }),
    { numRuns: 60 },
  );
});

test("adding a node never adds a feature", () => {
  fc.assert(
    fc.property(pool, nodeCpu, (profiles, cpu) => {
      const before = new Set(planned(profiles).guest.features);
      const after = planned([...profiles, node("one-more", cpu)]).guest.features;
      expect(after.filter((name) => !before.has(name))).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

/** The guest of a class, as a node of its own. */
function outputOf({ cpu }: NodeProfile, plan: Plan, name: string): NodeProfile {
  const own = plan.classes.find(({ nodeClass }) => nodeClass.nodes.includes(name));
  const view = simulate(cpu, plan.type, "1.16", own?.template);
  const guest: OfferedCpu = {
    ...cpu,
    cpuid: [...view.cpuid.values()],
    msrs: [...view.registers].map(([id, value]) => ({ addr: Number(id), value })),
  };
  return node(name, guest);
}

test("planning a plan's own output changes nothing", () => {
  fc.assert(
    fc.property(pool, (profiles) => {
      const plan = planned(profiles);
      const again = planned(profiles.map((profile) => outputOf(profile, plan, profile.name)));
      expect(again.guest).toEqual(plan.guest);
      expect(again.classes.flatMap(({ givesUp }) => givesUp)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
