/** The gate that every resume passes: the verdict, the operator's policy, a caller's override. */
import type { Override, OverrideRecord } from "@evenkeel/api";
import {
  honourAccepted,
  judge,
  type CpuContract,
  type Finding,
  type Judgement,
  type NodeProfile,
  type Verdict,
} from "@evenkeel/core";
import type { EventLog } from "../events/log.ts";
import type { Metrics } from "../metrics.ts";
import { AgentError } from "../errors.ts";
import type { Releases } from "../releases.ts";
import type { CpuShape } from "./shape.ts";

/** Best first: an override accepts the verdict it names and better ones. */
const RANKS: readonly Verdict[] = ["compatible", "unknown", "insecure", "incompatible"];

interface Guest {
  readonly snapshot: string;
  readonly contract: CpuContract;
  /** The sandbox that will run, as events name it. */
  readonly sandbox: string;
}

export interface Gate {
  /** Throws RESUME_REFUSED. What it returns is an override that was needed, for the records. */
  admit(guest: Guest, override: Override | undefined): OverrideRecord | undefined;
}

interface GateOptions {
  /** As it may be used now. */
  readonly profileNow: () => NodeProfile;
  /**
   * The verdict is for the release that would load the snapshot; for all releases if none would.
   */
  readonly releases: Releases;
  readonly allowUnknown: boolean;
  /** What shapes guests here now: a plan records what its operator accepted. */
  readonly cpuNow: () => Pick<CpuShape, "class" | "plan" | "accepted">;
  readonly events: EventLog;
  readonly metrics: Metrics;
}

const SHOWN = 4;

function against({ findings }: Judgement): readonly Finding[] {
  return findings.filter(({ severity }) => severity !== "note");
}

function namesOf(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map(({ name }) => name))];
}

function summary(names: readonly string[]): string {
  const more = names.length - SHOWN;
  const shown = names.slice(0, SHOWN).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function recordOf(guest: Guest, node: string, judged: Judgement, reason: string): OverrideRecord {
  const findings = against(judged);
  return {
    time: new Date().toISOString(),
    node,
    snapshot: guest.snapshot,
    verdict: judged.verdict,
    rules: [...new Set(findings.map(({ rule }) => rule))],
    names: namesOf(findings),
    reason,
  };
}

export function openGate(options: GateOptions): Gate {
  const { profileNow, releases, allowUnknown, cpuNow, events, metrics } = options;
  const judged = new WeakMap<NodeProfile, WeakMap<CpuContract, Judgement>>();
  const judgeHere = (contract: CpuContract, profile: NodeProfile) => {
    const version = releases.loading(contract)?.version;
    return judge(contract, profile, version);
  };
  const ask = (contract: CpuContract, profile: NodeProfile) => {
    const here = judged.get(profile) ?? new WeakMap<CpuContract, Judgement>();
    judged.set(profile, here);
    const known = here.get(contract) ?? judgeHere(contract, profile);
    here.set(contract, known);
    return honourAccepted(known, contract, cpuNow());
  };
  const allowed: Verdict = allowUnknown ? "unknown" : "compatible";
  const within = (verdict: Verdict, limit: Verdict) =>
    RANKS.indexOf(verdict) <= RANKS.indexOf(limit);

  return {
    admit: (guest, override) => {
      const profile = profileNow();
      const judgement = ask(guest.contract, profile);
      const { verdict } = judgement;
      const count = (result: string) => metrics.verdicts.add({ verdict, result });
      if (within(verdict, allowed)) {
        count("admitted");
        return undefined;
      }
      if (override !== undefined && within(verdict, override.accept)) {
        count("overridden");
        const record = recordOf(guest, profile.name, judgement, override.reason);
        events.emit("verdict.overridden", guest.sandbox, record);
        return record;
      }
      count("refused");
      const findings = against(judgement);
      const names = namesOf(findings);
      const { snapshot } = guest;
      events.emit("verdict.refused", guest.sandbox, { snapshot, verdict, names });
      const message = `${snapshot} on ${profile.name}: ${verdict}: ${summary(names)}`;
      throw new AgentError("RESUME_REFUSED", message, { verdict, findings });
    },
  };
}
