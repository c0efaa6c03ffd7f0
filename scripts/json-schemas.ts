/** JSON Schemas of files that people keep, from the readers that read them: `npm run docs`. */
import type { JsonSchema } from "../packages/core/src/json/reader.ts";
import { CONTRACT } from "../packages/core/src/read/contract.ts";
import { CERTIFICATE } from "../packages/core/src/read/matrix.ts";
import { ARM_PLAN, X86_PLAN } from "../packages/core/src/read/plan.ts";
import { PROFILE } from "../packages/core/src/read/profile.ts";
import { TEMPLATE } from "../packages/core/src/template/parse.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  "cpu-contract@1": { title: "The CPU contract of a snapshot", ...CONTRACT.schema },
  "cpu-template": {
    title: "A CPU template of Firecracker, as evenkeel reads it",
    ...TEMPLATE.schema,
  },
  "node-profile@1": { title: "A node's profile (evenkeel probe)", ...PROFILE.schema },
  "matrix@1": { title: "A matrix certificate (evenkeel matrix --cert)", ...CERTIFICATE.schema },
  "pool-plan@1": {
    title: "A plan (evenkeel plan --out), as far as it is read back",
    anyOf: [X86_PLAN.schema, ARM_PLAN.schema],
  },
};

/** Files of docs/schemas by name. */
export function schemaFiles(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(SCHEMAS).map(([name, schema]) => [
      `${name}.json`,
      `${JSON.stringify({ $schema: DIALECT, ...schema }, undefined, 2)}\n`,
    ]),
  );
}
