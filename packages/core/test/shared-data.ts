/** Real fingerprints, where they are: beside the checkout, never in it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readDocument } from "../src/read/document.ts";
import { parseJson } from "../src/json/parse.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import type { CpuTemplate } from "../src/template/template.ts";

export const DATA = join(fileURLToPath(new URL("../../../..", import.meta.url)), "shared", "data");

export const hasSharedData = existsSync(join(DATA, "fingerprints"));

if (!hasSharedData) {
  process.stderr.write("skipping tests with real fingerprints: ../shared/data is not there\n");
}

export function sharedFiles(folder: string): string[] {
  if (!hasSharedData) return [];
  return readdirSync(join(DATA, folder))
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(DATA, folder, name));
}

/** `INTEL_ICELAKE_6.1` for fingerprint_INTEL_ICELAKE_6.1host.json. */
function shortName(file: string): string {
  return basename(file).replace(/^fingerprint_|host\.json$/g, "");
}

/** The release that fingerprints are judged under, as an operator would name it. */
const RELEASE = "1.16.1";

export function loadFingerprint(file: string): NodeProfile {
  const document = readDocument(parseJson(readFileSync(file, "utf8")), shortName(file));
  if (document.kind !== "profile") throw new Error(`${file} is no profile`);
  // Their tool is from between two releases, of which no verdict can build on formats.
  return { ...document.profile, firecracker: [RELEASE] };
}

export function fingerprint(name: string): NodeProfile {
  return loadFingerprint(join(DATA, "fingerprints", `fingerprint_${name}host.json`));
}

export function x86Fingerprints(): NodeProfile[] {
  return sharedFiles("fingerprints")
    .map(loadFingerprint)
    .filter(({ cpu }) => cpu.arch === "x86_64");
}

export function sharedTemplate(name: string): CpuTemplate {
  const text = readFileSync(join(DATA, "templates", `${name}.json`), "utf8");
  const document = readDocument(parseJson(text), name);
  if (document.kind !== "template") throw new Error(`${name} is no template`);
  return document.template;
}
