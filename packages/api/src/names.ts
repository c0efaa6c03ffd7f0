/** What users may call things. Names become file names, so they can hold no path. */
import { z } from "zod";

/** Starts with a letter or digit, so it is never hidden, never `..`, never an option. */
export const Name = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/, {
    error: "must be 1 to 64 of A-Z a-z 0-9 . _ -, beginning and ending with a letter or digit",
  })
  .meta({ description: "1 to 64 letters, digits, dots, underscores and hyphens." });

/** Short, since a Unix socket's path has 107 bytes at most, and one contains it. */
export const SandboxId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, {
    error: "must be 1 to 32 of a-z 0-9 -, beginning and ending with a letter or digit",
  })
  .meta({ description: "1 to 32 lower-case letters, digits and hyphens." });

export const Labels = z
  .record(z.string().min(1).max(64), z.string().max(256))
  .refine((labels) => Object.keys(labels).length <= 32, { error: "has more than 32 entries" })
  .meta({ description: "The caller's own labels; up to 32, stored with the object." });

export const Timestamp = z.iso.datetime().meta({ description: "ISO 8601, UTC." });
