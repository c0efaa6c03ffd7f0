/** What the verbs' arguments and options have in common. */

/** Sets the exit code of the command that ran. */
export type SetExit = (code: number) => void;

export const FILES =
  "profiles: fingerprints, template dumps, raw CPU dumps, evenkeel profiles; - for stdin";

/** An option that may be given more than once, without swallowing the files after it. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** For verbs that read profiles: a raw dump is an estimate for a host kernel it does not name. */
export const KERNEL = [
  "--kernel <release>",
  "host kernel of raw CPU dumps, which are estimates (default: 6.1)",
] as const;
