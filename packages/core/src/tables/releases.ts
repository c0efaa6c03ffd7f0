/**
 * Firecracker releases: which of two is newer, what each does, which snapshot format it writes. All
 * that compares release numbers is here; the facts are in release-rows.ts.
 */
import { fail } from "../errors.ts";
import { RELEASES, type Behaviour } from "./release-rows.ts";
import { remembered } from "../remember.ts";

/** Oldest first. */
export const ALL_LINES: readonly string[] = RELEASES.map((release) => release.line);

/** `1.5 to 1.16`: the lines that anything is known about. */
export const KNOWN_LINES = `${ALL_LINES[0]} to ${ALL_LINES.at(-1)}`;

const VERSION = /^v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-_+][0-9A-Za-z.+_-]{1,64})?$/;

/**
 * An emulated node names QEMU where others name Firecracker: `qemu-7.2.22`, of the line `qemu-7.2`.
 * QEMU shows what it is told to and writes nothing over it; its migration streams are for its own
 * line only, and no Firecracker reads them.
 */
const EMULATOR = /^qemu-(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})?$/;

export function isEmulator(version: string): boolean {
  return EMULATOR.test(version);
}

/** The line of a version such as `1.14.1`, `v1.14.1_431f1fc` or `1.16.0-dev`; else undefined. */
export function lineOf(version: string): string | undefined {
  const emulator = EMULATOR.exec(version);
  if (emulator !== null) return `qemu-${Number(emulator[1])}.${Number(emulator[2])}`;
  const match = VERSION.exec(version);
  return match === null ? undefined : `${Number(match[1])}.${Number(match[2])}`;
}

function isKnownLine(line: string): boolean {
  return ALL_LINES.includes(line) || isEmulator(line);
}

/** A version's line; throws UNKNOWN_VERSION where nothing is known about it. */
export function knownLine(version: string): string {
  const line = lineOf(version);
  if (line !== undefined && isKnownLine(line)) return line;
  return fail(
    "UNKNOWN_VERSION",
    `nothing is known about Firecracker "${version}" (${KNOWN_LINES})`,
  );
}

/** Oldest first; emulators behind every Firecracker. */
export function compareLines(a: string, b: string): number {
  const numbers = (line: string) => line.replace("qemu-", "").split(".").map(Number);
  const [aMajor = 0, aMinor = 0] = numbers(a);
  const [bMajor = 0, bMinor = 0] = numbers(b);
  return Number(isEmulator(a)) - Number(isEmulator(b)) || aMajor - bMajor || aMinor - bMinor;
}

const doing = new Map<string, ReadonlySet<Behaviour>>();
let soFar: readonly Behaviour[] = [];
for (const { line, begins = [], ends = [] } of RELEASES) {
  soFar = [...soFar.filter((behaviour) => !ends.includes(behaviour)), ...begins];
  doing.set(line, new Set(soFar));
}

/** Whether a line does something; an emulator is asked as if it were the newest Firecracker. */
export function does(line: string, behaviour: Behaviour): boolean {
  const row = ALL_LINES.findLast((known) => compareLines(known, line) <= 0);
  return row !== undefined && doing.get(row)?.has(behaviour) === true;
}

export function firstLineThat(behaviour: Behaviour): string {
  return RELEASES.find(({ begins }) => begins?.includes(behaviour))?.line ?? "none";
}

/** The newest line before the first that does something. */
export function lastLineBefore(behaviour: Behaviour): string {
  return ALL_LINES[ALL_LINES.indexOf(firstLineThat(behaviour)) - 1] ?? "none";
}

/** `1.5–1.16` for an unbroken run, else a list. */
export function formatLines(lines: readonly string[]): string {
  const sorted = lines.toSorted(compareLines);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return "none";
  const run = ALL_LINES.slice(ALL_LINES.indexOf(first), ALL_LINES.indexOf(last) + 1);
  if (sorted.length > 2 && run.length === sorted.length) return `${first}–${last}`;
  return sorted.join(", ");
}

/** `1.16.0-dev`: a build between two releases, whose format is anybody's guess. */
const PRE_RELEASE = /^v?\d+\.\d+(?:\.\d+)?-/;

/** Whether a version, or a format that is named after one, is of a build between two releases. */
export function isPreRelease(version: string): boolean {
  return PRE_RELEASE.test(version);
}

/**
 * The snapshot format that a release writes and loads. Undefined where nothing is known, and
 * where a line without a patch number leaves it open (1.10). A pre-release has a format named
 * after it; two builds of one name need not share it ({@link isPreRelease}).
 */
export const snapshotFormat = remembered((version): string | undefined => {
  if (isEmulator(version)) return lineOf(version);
  if (PRE_RELEASE.test(version)) return isKnownLine(lineOf(version) ?? "") ? version : undefined;
  const patch = VERSION.exec(version)?.[3];
  const line = lineOf(version);
  const formats = RELEASES.find((release) => release.line === line)?.formats ?? [];
  if (patch === undefined) return formats.length === 1 ? formats[0]?.[1] : undefined;
  return formats.findLast(([first]) => Number(patch) >= first)?.[1];
});

/** The lines of installed versions, sorted; all lines there are where none of them is known. */
export function knownVersions(versions: readonly string[]): {
  readonly lines: readonly string[];
  readonly installed: boolean;
} {
  const own = new Set(versions.map(lineOf));
  const lines = ALL_LINES.filter((line) => own.has(line));
  return lines.length > 0 ? { lines, installed: true } : { lines: ALL_LINES, installed: false };
}

/** The newest of some versions that anything is known about. */
export function newestVersion(versions: readonly string[]): string | undefined {
  return versions
    .filter((version) => isKnownLine(lineOf(version) ?? ""))
    .toSorted((a, b) => compareLines(lineOf(a) ?? "", lineOf(b) ?? ""))
    .at(-1);
}

/** Of a node's releases the one that took a snapshot, else the newest that reads its format. */
export function loadingVersion(
  {
    firecracker,
    snapshotFormat: format,
  }: { firecracker: string; snapshotFormat?: string | undefined },
  versions: readonly string[],
): string | undefined {
  if (format === undefined) return undefined;
  const bare = (version: string) => version.replace(/^v/, "");
  const able = versions.filter((version) => snapshotFormat(version) === format);
  return (
    able.find((version) => bare(version) === bare(firecracker)) ?? newestVersion(able) ?? able[0]
  );
}
