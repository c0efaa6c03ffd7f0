/** What a file's needs mean in a pool: with the one guest CPU of a plan, or on nodes as they are. */
import { fieldByName, LEVELS, UNCOUNTED_GROUPS, type Answer } from "@evenkeel/core";
import { withBase } from "../features/enablement.ts";
import type { FeatureUse, FileScan } from "./result.ts";

/**
 * From best to worst:
 * - `fine`: every member has all that the file can use
 * - `loses speed`: it asks, and goes without
 * - `unknown`: parts of it could not be read, or a member does not say what it has
 * - `frozen at snapshot`: it asks once; what it was told where the snapshot was taken is wrong
 *   where another node resumes it
 * - `may die`: it asks, but instructions are reached on which nothing asked
 * - `will die`: it executes instructions that a member lacks, or is refused by the loader
 */
export const OUTCOMES = [
  "fine",
  "loses speed",
  "unknown",
  "frozen at snapshot",
  "may die",
  "will die",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Member {
  /** A node, or the plan. */
  readonly name: string;
  /** Names of the bits that are set. */
  readonly features: ReadonlySet<string>;
  /** Whether it can honour a feature; estimates and profiles with gaps do not always say. */
  readonly answer: (feature: string) => Answer;
}

export interface Pool {
  /** All guests see the same CPU: there is one member, the plan's guest CPU. */
  readonly planned: boolean;
  readonly members: readonly Member[];
}

export interface Reason {
  readonly outcome: Outcome;
  /** A feature, a level, or empty where it is about the whole file. */
  readonly feature: string;
  /** Members that lack it. */
  readonly lacking: readonly string[];
  readonly why: string;
}

export interface FileJudgement {
  readonly name: string;
  readonly outcome: Outcome;
  /** The worst first; empty where it is fine. */
  readonly reasons: readonly Reason[];
}

/** A feature counts where everything that it rests on is there too. */
function answerOf({ answer }: Member, feature: string): Answer {
  const answers = new Set(withBase([feature]).map(answer));
  if (answers.has("no")) return "no";
  return answers.has("unknown") ? "unknown" : "yes";
}

function membersThat({ members }: Pool, says: Answer, feature: string): string[] {
  return members.filter((member) => answerOf(member, feature) === says).map(({ name }) => name);
}

/** LZCNT and its like execute as another instruction where the CPU does not know them. */
function isSilent(feature: string): boolean {
  return fieldByName(feature)?.loss === "silent";
}

function dies(feature: string): string {
  return isSilent(feature) ? "computes wrong results there" : "SIGILL there";
}

const UNASKED = {
  always: "runs at every start",
  unasked: "nothing in the file checks the CPU before it runs",
  unguarded: "the file checks the CPU, but its startup code gets here whatever the answer",
  unclear: "the file checks the CPU, but some calls get here without a check",
} as const;

const UNREACHED =
  "no code that was read leads to these instructions; it is not known whether they run";

function outcomeOf({ use }: FeatureUse, everywhere: boolean): Outcome {
  if (use === "always" || use === "unasked" || use === "unguarded") return "will die";
  if (use === "unclear") return "may die";
  if (use === "unreached") return "unknown";
  return everywhere ? "loses speed" : "frozen at snapshot";
}

/** Nobody is known to lack it; somebody does not say. */
function judgeSilence(feature: string, pool: Pool): Reason[] {
  const silent = membersThat(pool, "unknown", feature);
  if (silent.length === 0) return [];
  const why = `${silent.join(", ")} does not say: its profile is an estimate or has gaps`;
  return [{ outcome: "unknown", feature, lacking: [], why }];
}

const OBJECT = "an object file: only the program that links it shows whether the CPU is checked";

/**
 * Two bytes (0F 0F) make data look like 3DNow!, and OpenSSL's tables do. No compiler writes it
 * unasked, and no CPU since AMD's of 2010 has it: it is not what tells the nodes of a pool apart.
 * (https://en.wikipedia.org/wiki/3DNow!)
 */
const NEVER_DOUBTFUL: ReadonlySet<string> = new Set(["3DNOW", "3DNOWEXT"]);

const DOUBTFUL =
  "no known code leads to these bytes, which decode as such instructions; they may be data";

/** What may be data is no proof that a program dies, nor is it one that it does not. */
function judgeDoubtful(feature: string, pool: Pool): Reason[] {
  if (NEVER_DOUBTFUL.has(feature)) return [];
  const lacking = pool.members.filter((m) => answerOf(m, feature) !== "yes");
  if (lacking.length === 0) return [];
  const names = lacking.map(({ name }) => name);
  return [{ outcome: "unknown", feature, lacking: names, why: DOUBTFUL }];
}

const REFUSES = "it checks the CPU at startup, and exits if the feature is missing";

function judgeFeature(
  { kind, refuses, throughout }: FileScan,
  found: FeatureUse,
  pool: Pool,
): Reason[] {
  const { feature, use, sure } = found;
  if (sure === "doubtful") return judgeDoubtful(feature, pool);
  const lacking = membersThat(pool, "no", feature);
  if (lacking.length === 0) return judgeSilence(feature, pool);
  if (kind === "object") return [{ outcome: "unknown", feature, lacking, why: OBJECT }];
  if (throughout.includes(feature)) {
    const why = `the file was built for it as a whole; ${dies(feature)}`;
    return [{ outcome: "will die", feature, lacking, why }];
  }
  if (use === "chosen" && refuses) {
    return [{ outcome: "will die", feature, lacking, why: REFUSES }];
  }
  const everywhere = lacking.length === pool.members.length;
  const outcome = outcomeOf(found, everywhere);
  const whenChosen = everywhere
    ? "checks the CPU and does without"
    : `checked once, where the snapshot was taken; ${dies(feature)}`;
  const why =
    use === "chosen"
      ? whenChosen
      : use === "unreached"
        ? UNREACHED
        : `${UNASKED[use]}; ${dies(feature)}`;
  return [{ outcome, feature, lacking, why }];
}

function judgeLevels({ declares }: FileScan, pool: Pool): Reason[] {
  return LEVELS.filter(({ name }) => declares.needed.includes(name)).flatMap(
    ({ name, features }): Reason[] => {
      const lacking = pool.members.filter((m) => features.some((f) => answerOf(m, f) !== "yes"));
      if (lacking.length === 0) return [];
      const why = "the file declares that it needs this level, so it does not start";
      return [{ outcome: "will die", feature: name, lacking: lacking.map((m) => m.name), why }];
    },
  );
}

/** Features that some members have and others lack, as far as programs can use them. */
function unevenFeatures({ members }: Pool): string[] {
  const all = new Set(members.flatMap(({ features }) => [...features]));
  return [...all].filter((name) => {
    const row = fieldByName(name);
    if (row?.readBy !== "user" || UNCOUNTED_GROUPS.has(row.group)) return false;
    if (row.loss !== "fault" && row.loss !== "silent") return false;
    return members.some((member) => answerOf(member, name) !== "yes");
  });
}

function judgeJit({ jit }: FileScan, uneven: readonly string[], pool: Pool): Reason[] {
  if (jit.length === 0 || uneven.length === 0 || pool.planned) return [];
  const lacking = pool.members.filter((m) => uneven.some((name) => answerOf(m, name) !== "yes"));
  const why = `${jit.join(", ")} generates code at run time for what it found at start: ${uneven.join(", ")} are not on all nodes`;
  return [{ outcome: "frozen at snapshot", feature: "", lacking: lacking.map((m) => m.name), why }];
}

/**
 * So much code that nothing led to is not fine. Of ordinary files almost none has any; what the
 * tables in OpenSSL's code come to (7 % of libcrypto) is let pass: docs/scanning.md has figures.
 */
const UNREAD = [
  { bytes: 256, share: 0.25 },
  { bytes: 64 * 1024, share: 0.1 },
] as const;

function judgeReading({ code }: FileScan): Reason[] {
  const nothing = { outcome: "unknown" as const, feature: "", lacking: [] };
  const reasons: Reason[] = [];
  if (code.unknown > 0) {
    const why = `${code.unknown} functions have instructions that are not known, one at ${code.unknownAt}`;
    reasons.push({ ...nothing, why });
  }
  if (UNREAD.some(({ bytes, share }) => code.unread > bytes && code.unread > code.bytes * share)) {
    const percent = Math.round((code.unread / code.bytes) * 100);
    const why = `${percent}% of the code was not read: no symbols, no unwinding tables, no calls lead there`;
    reasons.push({ ...nothing, why });
  }
  return reasons;
}

function rank({ outcome }: { readonly outcome: Outcome }): number {
  return OUTCOMES.indexOf(outcome);
}

export function judgeFiles(files: readonly FileScan[], pool: Pool): FileJudgement[] {
  const uneven = unevenFeatures(pool);
  return files.map((file) => {
    const reasons = [
      ...judgeLevels(file, pool),
      ...file.features.flatMap((found) => judgeFeature(file, found, pool)),
      ...judgeJit(file, uneven, pool),
      ...judgeReading(file),
    ].toSorted((a, b) => rank(b) - rank(a));
    return { name: file.name, outcome: reasons[0]?.outcome ?? "fine", reasons };
  });
}
