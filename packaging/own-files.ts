/**
 * Files that the code finds beside itself: `new URL("../worker/x.mjs", import.meta.url)`. In a
 * bundle nothing is where it was in the source, so each such place is rewritten.
 */
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "rolldown";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** By path in the repository: the file's name in the bundle's directory. */
const OWN_FILES: Readonly<Record<string, string>> = {
  "examples/bug-report-pool/xeon-silver-4216.json":
    "../examples/bug-report-pool/xeon-silver-4216.json",
  "examples/bug-report-pool/xeon-silver-4314.json":
    "../examples/bug-report-pool/xeon-silver-4314.json",
  "packages/agent/worker/sha256.mjs": "sha256.mjs",
  "packages/host/bin/guard.js": "guard.js",
  "packages/host/launcher/launcher.pl": "launcher.pl",
  "packages/isa/src/scan/worker.js": "scan-worker.js",
  "packages/isa/src/scan/worker.ts": "scan-worker.js",
  "packages/web/assets/page.css": "page.css",
  "packages/web/assets/page.js": "page.js",
};

/** Style and script of pages. */
export const PAGE_FILES = ["page.css", "page.js"] as const;

/** What the three uses of a file become. Each gets the file's path in the repository and its name. */
export interface Rewrites {
  /** `readFileSync(URL, "utf8")` */
  readonly text: (path: string, name: string) => string;
  /** `fileURLToPath(URL)`: a program to start. */
  readonly program: (path: string, name: string) => string;
  /** The URL itself: a thread to start. */
  readonly url: (path: string, name: string) => string;
}

const PLACE = String.raw`new URL\(\s*"(\.[^"]+)",\s*import\.meta\.url,?\s*\)`;
const USES = [
  ["text", new RegExp(String.raw`readFileSync\(\s*${PLACE},\s*"utf8",?\s*\)`, "g")],
  ["program", new RegExp(String.raw`fileURLToPath\(\s*${PLACE},?\s*\)`, "g")],
  ["url", new RegExp(PLACE, "g")],
] as const;

/** `prologue` goes before every module that was rewritten. */
export function ownFiles(rewrites: Rewrites, prologue = ""): Plugin {
  return {
    name: "evenkeel-own-files",
    transform(code, id) {
      if (id.includes("node_modules") || !code.includes("import.meta.url")) return null;
      let rewritten = code;
      for (const [use, pattern] of USES) {
        rewritten = rewritten.replaceAll(pattern, (whole, target: string) => {
          const path = relative(ROOT, resolve(dirname(id), target));
          const name = OWN_FILES[path];
          // A place that was rewritten before it keeps its form.
          if (name === undefined && Object.values(OWN_FILES).includes(target.slice(2)))
            return whole;
          if (name === undefined) throw new Error(`${id}: ${path} is not in own-files.ts`);
          return rewrites[use](path, name);
        });
      }
      return rewritten === code ? null : prologue + rewritten;
    },
  };
}

const here = (_path: string, name: string) => `new URL("./${name}", import.meta.url)`;

/** For files that lie beside the bundle. */
export const BESIDE: Rewrites = {
  text: (path, name) => `readFileSync(${here(path, name)}, "utf8")`,
  program: (path, name) => `fileURLToPath(${here(path, name)})`,
  url: here,
};
