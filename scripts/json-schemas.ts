/** JSON Schemas of files that people keep, from the readers that read them: `npm run docs`. */
import type { JsonSchema } from "../packages/core/src/json/reader.ts";
import { CERTIFICATE } from "../packages/core/src/read/matrix.ts";
import { ARM_PLAN, X86_PLAN } from "../packages/core/src/read/plan.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
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
