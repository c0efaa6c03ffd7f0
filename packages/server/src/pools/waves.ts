/**
 * Waves: a plan version reaches a node of each class first, then a quarter of the pool, then all of
 * it. Pure: who is told which version, and what comes next.
 */

const STAGES = ["canary", "share", "all"] as const;
type Stage = (typeof STAGES)[number];
/** One node in so many is of the second wave. */
const SHARE = 4;
/** How long a wave may take; nodes that are away are not waited for. */
const STAGE_SECONDS = 600;

export interface Wave {
  readonly stage: Stage;
  readonly state: "rolling" | "halted" | "done";
  /** Ids of one node of each class. */
  readonly canaries: readonly string[];
}

/** The same for a node at each start of each server. */
function isOfShare(id: string): boolean {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.charCodeAt(0)) >>> 0;
  return sum % SHARE === 0;
}

/** Whether a node is told the new version. One that was halted is told to nobody any more. */
export function isReleased({ stage, state, canaries }: Wave, id: string): boolean {
  if (state !== "rolling") return false;
  if (stage === "all" || canaries.includes(id)) return true;
  return stage === "share" && isOfShare(id);
}

export interface Member {
  readonly id: string;
  readonly name: string;
  readonly class: string;
  /** Heard of, and open to new work. */
  readonly isReady: boolean;
  /** Digest of the plan that it applies. */
  readonly applied: string | null;
  /** Digest of a plan that does not fit it, and why. */
  readonly refused: string | null;
  readonly error: string | null;
}

/** The first node of each class by name, if it is ready; throws nothing, classes may lack one. */
export function chooseCanaries(members: readonly Member[]): Map<string, Member | undefined> {
  const chosen = new Map<string, Member | undefined>();
  for (const member of members.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const known = chosen.get(member.class);
    if (known === undefined) chosen.set(member.class, member.isReady ? member : undefined);
  }
  return chosen;
}

export type Step =
  | { readonly kind: "wait" }
  | { readonly kind: "halt"; readonly why: string }
  | { readonly kind: "next"; readonly stage: Stage }
  | { readonly kind: "done" };

/** `digest`: of the version that rolls out. `seconds`: since the wave began. */
export function nextStep(
  wave: Wave,
  digest: string,
  members: readonly Member[],
  seconds: number,
): Step {
  if (wave.state !== "rolling") return { kind: "wait" };
  const released = members.filter(({ id }) => isReleased(wave, id));
  const refusing = released.find(({ refused }) => refused === digest);
  if (refusing !== undefined) {
    return { kind: "halt", why: `${refusing.name}: ${refusing.error ?? "refuses it"}` };
  }
  // A canary that goes silent is what a canary is for.
  const awaited = released.filter(({ id, isReady }) => isReady || wave.canaries.includes(id));
  const lacking = awaited.filter(({ applied }) => applied !== digest);
  if (lacking.length > 0) {
    if (seconds < STAGE_SECONDS) return { kind: "wait" };
    const names = lacking.slice(0, 3).map(({ name }) => name);
    return { kind: "halt", why: `not applied within ${STAGE_SECONDS} s: ${names.join(", ")}` };
  }
  const present = new Set(members.map(({ id }) => id));
  const gone = wave.canaries.find((id) => !present.has(id));
  if (wave.stage === "canary" && gone !== undefined) {
    return { kind: "halt", why: `the node that it was tried on is gone: ${gone}` };
  }
  const next = STAGES[STAGES.indexOf(wave.stage) + 1];
  return next === undefined ? { kind: "done" } : { kind: "next", stage: next };
}
