/** "Will die" is said of the programs that die, and of no others: on programs built here. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { judgeFiles, type Outcome } from "../src/scan/judge.ts";
import { scanFile } from "../src/scan/scan-file.ts";
import { buildCorpus, type Behaviour, type CorpusProgram } from "./corpus.ts";
import { fateOn, memberOf, type Fate } from "./emulated.ts";
import { hasTool } from "./tools.ts";

/** Without AVX, and one with all that QEMU emulates and the corpus needs. */
const [OLD, NEW] = ["Nehalem", "Haswell"];

const EXPECTED: Readonly<Record<Behaviour, Fate>> = {
  baseline: "lives",
  guarded: "lives",
  unguarded: "dies",
  refused: "refuses",
};

interface Judged extends CorpusProgram {
  readonly fate: Fate;
  readonly outcome: Outcome;
}

/** `EVENKEEL_CORPUS=all` builds every source in every way: some four hundred programs. */
const all = process.env["EVENKEEL_CORPUS"] === "all";
const MINUTES = 60_000;

const emulated = hasTool("qemu-x86_64") && hasTool("gcc");

describe.runIf(emulated)("programs of known behaviour", () => {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-corpus-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let judged: Judged[] = [];

  beforeAll(() => {
    const programs = buildCorpus(directory, all);
    const pool = { planned: true, members: [memberOf(OLD, directory)] };
    judged = programs.map((program) => {
      const [result] = scanFile(program.name, program.path);
      if (result?.status !== "scanned") throw new Error(`${program.name}: not scanned`);
      const outcome = judgeFiles([result.scan], pool)[0]?.outcome ?? "fine";
      return { ...program, fate: fateOn(OLD, program.path), outcome };
    });
  }, 30 * MINUTES);

  const names = (programs: readonly Judged[]) =>
    programs.map(({ name, outcome, fate }) => `${name}: ${outcome}, but it ${fate}`);
  const failing = () => judged.filter(({ fate }) => fate !== "lives");
  const condemned = () => judged.filter(({ outcome }) => outcome === "will die");

  test("do in emulation what they are made to do", () => {
    expect(names(judged.filter(({ fate, behaviour }) => fate !== EXPECTED[behaviour]))).toEqual([]);
    const sample = judged.filter((_, i) => all || i % 7 === 0);
    expect(names(sample.filter(({ path }) => fateOn(NEW, path) !== "lives"))).toEqual([]);
  });

  test("are never called fine where they die", () => {
    expect(names(failing().filter(({ outcome }) => outcome === "fine"))).toEqual([]);
  });

  test("are said to die: 97 of 100 that do", () => {
    const missed = failing().filter(({ outcome }) => outcome !== "will die");
    process.stderr.write(
      `corpus: ${judged.length} programs; missed: ${names(missed).join("; ")}\n`,
    );
    expect(failing().length).toBeGreaterThan(30);
    expect(missed.length / failing().length).toBeLessThanOrEqual(0.03);
  });

  test("do die where it is said: 97 of 100", () => {
    const wrong = condemned().filter(({ fate }) => fate === "lives");
    process.stderr.write(`corpus: false alarms: ${names(wrong).join("; ")}\n`);
    expect(wrong.length / condemned().length).toBeLessThanOrEqual(0.03);
  });
});
