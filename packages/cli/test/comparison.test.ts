/** docs/comparison.md shows what its script finds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { allFingerprints, hasSharedData } from "../../core/test/shared-data.ts";
import { comparePool, onOneKernel } from "../../../scripts/comparison.ts";
import { poolRows, shortName } from "../../../scripts/comparison-page.ts";
import { ROOT } from "./run.ts";

const nodes = hasSharedData ? allFingerprints("1.16.1").map(onOneKernel) : [];

function compare(...names: string[]) {
  return comparePool(nodes.filter(({ name }) => names.includes(name)));
}

const CLX = "INTEL_CASCADELAKE_6.1";
const ICX = "INTEL_ICELAKE_6.1";
const SPR = "INTEL_SAPPHIRE_RAPIDS_6.1";

describe.skipIf(!hasSharedData)("the comparison", () => {
  test.each([[[CLX, ICX]], [[CLX, ICX, SPR]], [["AMD_GENOA_6.1", "AMD_MILAN_6.1"]]])(
    "is what the page says of %s",
    (pool) => {
      const page = readFileSync(join(ROOT, "docs/comparison.md"), "utf8");
      const shown = page
        .split("\n")
        .filter((line) => line.startsWith("|"))
        .map((line) =>
          line
            .split("|")
            .slice(1, -1)
            .map((cell) => cell.trim()),
        );
      const rows = poolRows(compare(...pool));
      const at = shown.findIndex(([name]) => name === rows[0]?.[0]);
      expect(shown.slice(at, at + rows.length)).toEqual(rows);
    },
  );

  test("a plain AND hides what must be told, and makes up a model and a size", () => {
    const [plan, and] = compare(CLX, ICX, SPR).outcomes;
    expect(plan).toMatchObject({ hides: [], leaks: [], invents: [], costs: [], moves: 9 });
    expect(and?.hides.toSorted()).toEqual(["FB_CLEAR", "RRSBA"]);
    expect(and?.leaks).toContain("AVX512_BF16");
    expect(and?.invents).toEqual(["model 6/0/0", "an XSAVE area of 2560 bytes for 2696"]);
  });

  test("a built-in template costs what both CPUs have", () => {
    const t2cl = compare(CLX, ICX).outcomes.find(({ approach }) => approach === "T2CL");
    expect(t2cl?.costs).toEqual(expect.arrayContaining(["AVX512F", "RDSEED", "ADX", "PKU"]));
    expect(t2cl?.hides).toEqual(["RRSBA"]);
  });
});

test("fingerprints are named as people know them", () => {
  expect(shortName(SPR)).toBe("Sapphire Rapids 6.1");
  expect(shortName("AMD_MILAN_5.10__15.json")).toBe("Milan 5.10 (15)");
});
