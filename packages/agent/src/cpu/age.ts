/**
 * The node's profile, as long as it is valid: microcode can be reloaded, and the kernel replaced by
 * kexec, while the agent runs. A profile that may no longer be true is incomplete, and nothing is
 * compatible with that.
 */
import type { NodeProfile } from "@evenkeel/core";
import type { EventLog } from "../events/log.ts";
import { messageOf } from "../errors.ts";

/** /proc is not read more often than this. */
const FRESH_MS = 1000;

interface AgeOptions {
  readonly profile: NodeProfile;
  /** Kernel and microcode as a text. */
  readonly machine: () => string;
  /**
   * Compares the profile with the machine again; returns the changes that verdicts depend on.
   * Undefined if that cannot be determined.
   */
  readonly recheck: (() => Promise<readonly string[]>) | undefined;
  readonly events: EventLog;
  readonly report: (what: string, why: string) => void;
}

/** Returns a function that gives the profile as it may be used now. */
export function agingProfile(options: AgeOptions): () => NodeProfile {
  const { profile, machine, recheck, events, report } = options;
  let trusted = machine();
  let seen = trusted;
  let current = profile;
  let looked = performance.now();

  function doubt(change: string): void {
    current = { ...profile, incomplete: [...profile.incomplete, change] };
    events.emit("profile.stale", "", { change });
  }

  async function holdAgainst(now: string): Promise<void> {
    const changes = await recheck?.();
    if (changes === undefined || seen !== now) return;
    if (changes.length > 0) {
      doubt(`the machine has changed: ${changes.slice(0, 6).join("; ")}`);
      return;
    }
    [trusted, current] = [now, profile];
    events.emit("profile.confirmed", "", { machine: now });
  }

  return () => {
    if (performance.now() - looked < FRESH_MS) return current;
    looked = performance.now();
    const now = machine();
    if (now === seen) return current;
    seen = now;
    if (now === trusted) {
      current = profile;
      return current;
    }
    doubt(`the machine now has ${now}; it had ${trusted} when it was probed`);
    holdAgainst(now).catch((error: unknown) => report("probing anew", messageOf(error)));
    return current;
  };
}
