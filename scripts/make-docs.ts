/** Writes the pages that derive from code: `npm run docs`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorPage } from "./error-docs.ts";
import { schemaFiles } from "./json-schemas.ts";
import { withReleases } from "./release-docs.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
writeFileSync(join(root, "docs/errors.md"), errorPage());

const firecracker = join(root, "docs/firecracker.md");
writeFileSync(firecracker, withReleases(readFileSync(firecracker, "utf8")));

mkdirSync(join(root, "docs/schemas"), { recursive: true });
for (const [name, text] of schemaFiles()) writeFileSync(join(root, "docs/schemas", name), text);
