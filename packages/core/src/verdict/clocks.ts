/** Clocks that Firecracker takes for the same, as one. */
import { isSameTsc } from "../firecracker/tsc.ts";
import type { NodeProfile } from "../profile/profile.ts";

/** For each frequency, in kHz, the lowest that stands for it; no two of those are the same clock. */
function lowestOf(frequencies: readonly number[]): ReadonlyMap<number, number> {
  const lowest = new Map<number, number>();
  let first: number | undefined;
  for (const khz of frequencies.toSorted((a, b) => a - b)) {
    if (first === undefined || !isSameTsc(first, khz)) first = khz;
    lowest.set(khz, first);
  }
  return lowest;
}

/** The same profiles, with the snapshot's frequency for each clock that Firecracker takes for it. */
export function withClockOf(
  tscKhz: number | undefined,
  profiles: readonly NodeProfile[],
): readonly NodeProfile[] {
  if (tscKhz === undefined) return withSameClocks(profiles);
  return profiles.map((profile) => {
    const { tsc } = profile;
    const isSame = tsc !== undefined && isSameTsc(tscKhz, tsc.khz);
    return isSame ? { ...profile, tsc: { ...tsc, khz: tscKhz } } : profile;
  });
}

/** One frequency for all clocks that Firecracker takes for the same; each boot calibrates. */
export function withSameClocks(profiles: readonly NodeProfile[]): readonly NodeProfile[] {
  const frequencies = new Set<number>();
  for (const { tsc } of profiles) if (tsc !== undefined) frequencies.add(tsc.khz);
  if (frequencies.size < 2) return profiles;
  const lowest = lowestOf([...frequencies]);
  return profiles.map((profile) => {
    const { tsc } = profile;
    const khz = tsc === undefined ? undefined : lowest.get(tsc.khz);
    return tsc === undefined || khz === undefined || khz === tsc.khz
      ? profile
      : { ...profile, tsc: { ...tsc, khz } };
  });
}
