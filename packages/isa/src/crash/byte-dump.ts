/** Bytes written as text: `Code:` lines of kernels, and what people paste. */
import { IsaError } from "../errors.ts";

/** More than any kernel prints; an instruction has at most 15. */
const MOST_BYTES = 4096;

/**
 * The bytes from the marked one on (`<62>` on x86, `(d4200000)` on ARM), or all of them where
 * none is marked. Undefined where the text is something else, such as `Bad RIP value.`
 */
export function parseByteDump(text: string): { bytes: Buffer; marked: boolean } | undefined {
  const tokens = text
    .trim()
    // Go prints `0x4` for a byte below 16.
    .replaceAll(/0x([0-9a-f])(?![0-9a-f])/gi, " 0$1")
    .replaceAll(/\\x|0x/gi, " ")
    .split(/[\s,;]+/)
    .filter((token) => token !== "");
  const bytes: number[] = [];
  let marked = false;
  for (const token of tokens.slice(0, MOST_BYTES)) {
    const [, mark, digits = ""] = /^(<?)([0-9a-f]{2,})>?$/i.exec(token) ?? [];
    if (digits === "" || digits.length % 2 !== 0) return undefined;
    if (mark === "<") {
      bytes.length = 0;
      marked = true;
    }
    for (let at = 0; at < digits.length && bytes.length < MOST_BYTES; at += 2) {
      bytes.push(Number.parseInt(digits.slice(at, at + 2), 16));
    }
  }
  return bytes.length === 0 ? undefined : { bytes: Buffer.from(bytes), marked };
}

/** Bytes that a person gave. Throws BAD_BYTES. */
export function readBytes(text: string): Buffer {
  const dump = parseByteDump(text.replace(/^\s*Code:/i, ""));
  if (dump !== undefined) return dump.bytes;
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  throw new IsaError("BAD_BYTES", `"${shown}" is not bytes in hexadecimal`);
}
