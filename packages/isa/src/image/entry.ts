/** What readers of archives have in common. */
import type { Pull } from "./pull.ts";

export interface Entry {
  /** As the archive has it, without a leading `./` or `/`. Never used to write anything. */
  readonly path: string;
  readonly kind: "file" | "directory" | "other";
  readonly size: number;
  /** Where a link of a tar archive leads: from its own directory, or from the archive's root. */
  readonly link?: { readonly target: string; readonly symbolic: boolean };
  /** Why a file's bytes cannot be read, if they cannot. */
  readonly unreadable?: string;
  /** The archive at the entry's first byte; what is left of it is skipped afterwards. */
  readonly body: Pull;
  /** Offset of that byte in the archive. */
  readonly offset: number;
}

/** `./usr//bin/node` and `/usr/bin/node` are one file. */
export function normalPath(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

/** Control characters, those that turn the direction of a line, and those that nobody sees. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Hostile names may steer a terminal; they are shown escaped. */
export function printable(path: string): string {
  return path.replaceAll(UNSEEN, (c) =>
    c.charCodeAt(0) < 256 ? `\\x${hex2(c)}` : `\\u${c.charCodeAt(0).toString(16)}`,
  );
}

function hex2(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, "0");
}
