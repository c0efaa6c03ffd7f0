/** What the fleet's API calls things. */
import { z } from "zod";
import { Labels, Name } from "../names.ts";

export const NodeId = z
  .string()
  .regex(/^n-[a-z2-7]{16}$/, { error: "must be n- and 16 of a-z 2-7" })
  .meta({ description: "Given by the server when a node joins, and never again to another." });

export const Digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: "must be 64 hexadecimal digits" })
  .meta({ description: "SHA-256 as hexadecimal digits." });

export const Role = z.enum(["view", "operate", "override"]).meta({
  description:
    "view: look; operate: change the fleet; override: also what operate may not, such as releasing a held node.",
});
export type Role = z.infer<typeof Role>;

export const Selector = Labels.meta({
  description: "Labels that a node must have, each with this value; none: every node.",
});

/** As PostgreSQL's `integer`: what is larger is refused here, and not by the store. */
export const LARGEST_INTEGER = 2_147_483_647;

export const ByName = z.strictObject({ name: Name });
export const NoQuery = z.strictObject({});
export const NoBody = z.strictObject({});
/** A document of evenkeel's own, described in docs/formats.md and read by its reader. */
export const Document = z.record(z.string(), z.unknown());
