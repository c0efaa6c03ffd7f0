/** Keys of teams that call E2B's API. */
import { z } from "zod";
import { Name, Timestamp } from "../names.ts";

export const E2bKeyRequest = z.strictObject({ team: Name, name: Name });
const E2bKey = z
  .object({ team: Name, name: Name, created: Timestamp, createdBy: z.string() })
  .meta({ id: "E2bKey" });
export const NewE2bKey = E2bKey.extend({
  key: z.string().meta({ description: "Shown once: only its digest is kept." }),
}).meta({ id: "NewE2bKey" });
export const E2bKeyList = z.object({ keys: z.array(E2bKey) });
