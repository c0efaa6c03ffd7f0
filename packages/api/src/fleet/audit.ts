/** Who did what, and whether the service is well. */
import { z } from "zod";
import { Timestamp } from "../names.ts";

const AuditEntry = z
  .object({
    id: z.int(),
    time: Timestamp,
    actor: z.string().meta({ description: "`token:NAME`, `node:NAME`, or `server`." }),
    action: z.string(),
    subject: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditEntry" });
export const AuditList = z.object({ entries: z.array(AuditEntry) });
export const AuditQuery = z.strictObject({
  before: z.coerce.number().int().min(1).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export const FleetHealth = z
  .object({
    status: z.enum(["ok", "stopping"]),
    store: z.enum(["pglite", "postgresql"]),
    schema: z.int().meta({ description: "The last migration that was applied." }),
  })
  .meta({ id: "FleetHealth" });
