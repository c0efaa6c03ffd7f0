/** What a build can answer immediately, without the tree of commands. */
import { writeSync } from "node:fs";
import { versionText } from "./version.ts";

/** What the tree of commands prints for `--help`; a build puts it here. */
declare const EVENKEEL_HELP: string | undefined;

function answerOf(words: readonly string[]): string | undefined {
  const [word] = words;
  if (words.length !== 1) return undefined;
  if (word === "--version" || word === "-V") return `${versionText()}\n`;
  if (typeof EVENKEEL_HELP === "undefined") return undefined;
  return word === "--help" || word === "-h" || word === "help" ? EVENKEEL_HELP : undefined;
}

/** Answers what needs no other module; returns false if there is more to do. */
export function answeredQuickly(words: readonly string[]): boolean {
  const answer = answerOf(words);
  if (answer === undefined) return false;
  try {
    // `process.stdout` takes a tenth of the time that starting Node.js does.
    const written = writeSync(1, answer);
    if (written === Buffer.byteLength(answer)) return true;
    process.stdout.write(Buffer.from(answer).subarray(written));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") process.stdout.write(answer);
  }
  return true;
}
