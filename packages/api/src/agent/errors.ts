/** Errors as every API of this project answers them. */
import { z } from "zod";

const Severity = z.enum(["incompatible", "insecure", "unknown", "note"]);
export const Verdict = z.enum(["compatible", "insecure", "incompatible", "unknown"]);

const Finding = z
  .object({
    rule: z.string(),
    severity: Severity,
    address: z.string().meta({ description: "As in the manuals; empty if there is none." }),
    name: z.string(),
    promised: z.string().optional(),
    offered: z.string().optional(),
    consequence: z.string().meta({ description: "What would happen, in plain words." }),
  })
  .meta({ id: "Finding" });

export const ErrorBody = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      hint: z.string(),
      problems: z
        .array(z.object({ path: z.string(), message: z.string() }))
        .optional()
        .meta({ description: "Every problem in the request, with its location." }),
      verdict: Verdict.optional(),
      findings: z
        .array(Finding)
        .optional()
        .meta({ description: "Why the snapshot cannot resume here." }),
    }),
  })
  .meta({ id: "Error" });

export type ErrorBody = z.infer<typeof ErrorBody>;
