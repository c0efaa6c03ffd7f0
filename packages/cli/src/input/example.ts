/** The example pool that comes with evenkeel: a Cascade Lake and an Ice Lake. */
import { readFileSync } from "node:fs";
import { parseJson, readProfile, type NodeProfile } from "@evenkeel/core";

// Each place is written out: a build finds the files by them.
const cascadeLake = () =>
  readFileSync(
    new URL("../../../../examples/bug-report-pool/xeon-silver-4216.json", import.meta.url),
    "utf8",
  );
const iceLake = () =>
  readFileSync(
    new URL("../../../../examples/bug-report-pool/xeon-silver-4314.json", import.meta.url),
    "utf8",
  );

export function examplePool(): NodeProfile[] {
  return [cascadeLake(), iceLake()].map((text) => readProfile(parseJson(text), "example"));
}
