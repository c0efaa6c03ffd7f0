/** `npm run docs:site`: the docs as a static site in .build/site, which any web server or a browser opens. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeSite } from "./site/site.ts";

const out = fileURLToPath(new URL("../.build/site", import.meta.url));
rmSync(out, { recursive: true, force: true });
let bytes = 0;
const site = makeSite();
for (const [path, content] of site) {
  const file = join(out, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  bytes += content.length;
}
process.stdout.write(`${out}: ${site.size} files, ${Math.round(bytes / 1024)} KiB\n`);
