/** What one server does for all: each duty's steps, as long as this server leads it. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Context } from "../context.ts";
import { messageOf, ServerError } from "../errors.ts";
import { stepRollouts } from "../pools/rollouts.ts";
import type { Queryable } from "../store/store.ts";
import { dropExpired } from "./expiry.ts";
import { dropGarbage } from "./garbage.ts";
import { asLeader, lead, resign, type Duty, type Lease } from "./leaders.ts";

/** How often a duty is looked at, and how often its lease is renewed. */
const TICK_MS = 1000;
const RENEW_MS = 2000;

interface Plan {
  readonly duty: Duty;
  /** One step in so many looks. */
  readonly every: number;
  /** Returns whether placement has news. */
  readonly step: (context: Context, tx: Queryable) => Promise<boolean>;
}

const PLANS: readonly Plan[] = [
  { duty: "rollouts", every: 1, step: stepRollouts },
  { duty: "expiry", every: 60, step: dropExpired },
  { duty: "garbage", every: 60, step: dropGarbage },
];

function openPlan(context: Context, server: string, { duty, every, step }: Plan) {
  let [looks, renewedAt] = [0, -Infinity];
  let lease: Lease | undefined;
  return async (): Promise<void> => {
    if (lease === undefined || performance.now() - renewedAt >= RENEW_MS) {
      renewedAt = performance.now();
      lease = await lead(context.store, duty, server);
    }
    if (lease === undefined) return;
    looks += 1;
    if (looks % every !== 0) return;
    try {
      const isNews = await asLeader(context.store, lease, async (tx) => await step(context, tx));
      if (isNews) context.picture.changed();
    } catch (error) {
      if (!(error instanceof ServerError && error.code === "LEADER_LOST")) throw error;
      lease = undefined;
      context.report(duty, error.message);
    }
  };
}

/** Returns what ends it. */
export function keepDuties(context: Context): () => Promise<void> {
  const server = `${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`;
  const plans = PLANS.map((plan) => ({ duty: plan.duty, run: openPlan(context, server, plan) }));
  let round = Promise.resolve();
  let isBusy = false;
  const runAll = async () => {
    for (const { duty, run } of plans) {
      await run().catch((error: unknown) => context.report(duty, messageOf(error)));
    }
  };
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    round = runAll().finally(() => {
      isBusy = false;
    });
  }, TICK_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await round;
    await resign(context.store, server).catch((error: unknown) =>
      context.report("leases", messageOf(error)),
    );
  };
}
