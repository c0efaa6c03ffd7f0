/**
 * The double against what real Firecrackers said: the same questions, the same answers. Where
 * EVENKEEL_FIRECRACKER names a Firecracker of a release that was recorded, it is asked again.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { installDouble } from "../src/index.ts";
import { SCENARIOS } from "./transcript/scenarios.ts";
import { play, readTranscripts } from "./transcript/transcript.ts";

const PROFILE = join(
  import.meta.dirname,
  "../../../examples/bug-report-pool/xeon-silver-4216.json",
);
/** A double is a whole Node, started some hundred times; a busy machine needs long for it. */
const PATIENCE_MS = 400_000;

const real = process.env["EVENKEEL_FIRECRACKER"];
if (real === undefined) {
  process.stdout.write("skipped against a real Firecracker: EVENKEEL_FIRECRACKER is not set\n");
}

function versionOf(binary: string): string {
  const said = execFileSync(binary, ["--version"], { encoding: "utf8" });
  return /^Firecracker v(\S+)/.exec(said)?.[1] ?? "";
}

const root = mkdtempSync(join(tmpdir(), "evenkeel-doubles-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const transcripts = readTranscripts();

test("the releases that the format changed between were recorded", () => {
  expect(transcripts.map(({ firecracker }) => firecracker)).toEqual(["1.12.1", "1.14.1", "1.16.1"]);
});

test.each(transcripts)("$firecracker was asked all that is asked today", ({ scenarios }) => {
  expect(Object.keys(scenarios)).toEqual(SCENARIOS.map(({ name }) => name));
});

describe.each(transcripts)("as Firecracker $firecracker", ({ firecracker, scenarios }) => {
  const double = installDouble(root, { version: firecracker, profile: PROFILE }).path;

  test.each(SCENARIOS)(
    "the double answers alike: $name",
    async (scenario) => {
      expect(await play(scenario, double)).toEqual(scenarios[scenario.name]);
    },
    PATIENCE_MS,
  );
});

describe.skipIf(real === undefined)("the real one", () => {
  const binary = real ?? "";

  test.each(SCENARIOS)(
    "still says what was recorded: $name",
    async (scenario) => {
      const version = versionOf(binary);
      const recorded = transcripts.find(({ firecracker }) => firecracker === version);
      // A release that nobody recorded is held against the double itself.
      const expected =
        recorded?.scenarios[scenario.name] ??
        (await play(scenario, installDouble(root, { version, profile: PROFILE }).path));
      expect(await play(scenario, binary)).toEqual(expected);
    },
    PATIENCE_MS,
  );
});
