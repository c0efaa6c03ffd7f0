/** Secrets that are shown once: only their digests are kept. */
import { createHash, randomBytes } from "node:crypto";

/** 256 bits, which nobody guesses, so that a plain digest is enough. */
export function newSecret(prefix: string): string {
  return `${prefix}${randomBytes(32).toString("base64url")}`;
}

export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** `n-` and 80 bits: an id that is never given twice. */
export function newNodeId(): string {
  return `n-${Array.from(randomBytes(16), (byte) => ALPHABET[byte & 31]).join("")}`;
}
