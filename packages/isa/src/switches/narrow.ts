/** The variables that keep libraries from using what not every node of a pool has. */
import { DISPATCHERS } from "../scan/dispatchers.ts";
import type { FileScan } from "../scan/result.ts";
import { FLAGS, SWITCHES } from "./rows.ts";

export interface Setting {
  readonly dispatcher: string;
  /** Undefined: flags for its command line. */
  readonly variable: string | undefined;
  readonly value: string;
  readonly but: string | undefined;
  readonly reference: string;
}

export interface Narrowing {
  readonly settings: readonly Setting[];
  /** What chooses by the CPU in the files and has no switch, by file. */
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

/** All switches for hidden features; `only`: of these dispatchers. */
export function settingsFor(hidden: ReadonlySet<string>, only?: ReadonlySet<string>): Setting[] {
  const rows = [...SWITCHES, ...FLAGS.map((row) => ({ ...row, variable: undefined }))];
  return rows
    .filter(({ dispatcher }) => only === undefined || only.has(dispatcher))
    .flatMap(({ dispatcher, variable, value, but, reference }) => {
      const text = value(hidden);
      return text === undefined ? [] : [{ dispatcher, variable, value: text, but, reference }];
    });
}

const STEERED = new Set([...SWITCHES, ...FLAGS].map(({ dispatcher }) => dispatcher));
const KNOWN = new Set(DISPATCHERS.map(({ name }) => name));

/** Whether a file may choose, by the CPU, what is hidden; and why no switch keeps it from that. */
function whatIsLeft(file: FileScan, hidden: ReadonlySet<string>): string[] {
  const used = file.features.filter(
    ({ feature, sure }) => hidden.has(feature) && sure !== "doubtful",
  );
  if (used.length === 0 && file.jit.length === 0) return [];
  const names = used.map(({ feature }) => feature).join(", ");
  const known = file.asks.filter(({ kind }) => kind === "known").map(({ what }) => what);
  const unsteered = known.filter((what) => KNOWN.has(what) && !STEERED.has(what));
  const unguarded = used.filter(({ use }) => use !== "chosen");
  return [
    ...(unguarded.length > 0 ? [`uses ${names} without asking`] : []),
    ...(unsteered.length > 0 ? [`${unsteered.join(", ")} has no switch`] : []),
    ...(used.length > 0 && unguarded.length === 0 && known.length === 0
      ? [`asks the CPU itself for ${names}`]
      : []),
  ];
}

/** Switches for what is in some files, and what they leave as it is. */
export function narrowingFor(files: readonly FileScan[], hidden: ReadonlySet<string>): Narrowing {
  const present = new Set(
    files.flatMap(({ asks }) => asks.flatMap(({ kind, what }) => (kind === "known" ? [what] : []))),
  );
  const left = files.flatMap((file) =>
    whatIsLeft(file, hidden).map((why) => ({ name: file.name, why })),
  );
  return { settings: settingsFor(hidden, present), left };
}
