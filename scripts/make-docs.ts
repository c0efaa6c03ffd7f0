/** Writes the pages that derive from code: `npm run docs`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errorPage } from "./error-docs.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
writeFileSync(join(root, "docs/errors.md"), errorPage());
