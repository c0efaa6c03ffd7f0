/** The estimate's quality: raw dumps against what guests of the same CPU models really see. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CATALOGUE } from "../src/catalogue/index.ts";
import { CATALOGUE_MODELS } from "../src/tables/models.ts";
import { diffCpus } from "../src/inspect/diff.ts";
import { stateOfCpu } from "../src/profile/state.ts";
import { fieldByName } from "../src/tables/lookup.ts";
import { PASSED } from "../src/kvm/passed.ts";
import { isPassable, shownFeatures } from "../src/kvm/shown.ts";
import { STATE_COMPONENTS } from "../src/tables/cpuid/xsave.ts";
import { profileFrom } from "./raw-support.ts";
import { DATA, fingerprint, hasSharedData } from "./shared-data.ts";

/**
 * Everything a plan decides that the estimate gets wrong: `+` it says and the guest does not have,
 * `-` the other way round. docs/estimates.md explains each.
 */
const MEASURED: readonly (readonly [
  dump: string,
  kernel: string,
  real: string,
  errors: readonly string[],
])[] = [
  ["CascadeLake", "5.10", "INTEL_CASCADELAKE_5.10", []],
  ["CascadeLake", "6.1", "INTEL_CASCADELAKE_6.1", []],
  // The dump was made with older microcode, which did not have subleaf 2 of leaf 7.
  ["ICX", "6.1", "INTEL_ICELAKE_6.1", ["MAX_LEAF7_SUBLEAF 0 0x2", "PSFD absent 1"]],
  // Zen 3 has both; the firmware of the other machine switches them off.
  ["Milan", "6.1", "AMD_MILAN_6.1", ["ERMS 1 0", "FSRM 1 0"]],
  ["Genoa", "6.1", "AMD_GENOA_6.1", []],
];

const FREE: ReadonlySet<string> = new Set(["topology", "owned", "state"]);

function dumpNamed(part: string): string {
  const directory = join(DATA, "cpuid-dumps");
  const file = readdirSync(directory).find((name) => name.includes(part)) ?? "";
  return readFileSync(join(directory, file), "latin1");
}

describe.skipIf(!hasSharedData)("estimates from raw dumps against real fingerprints", () => {
  test.each(MEASURED)("%s on Linux %s", (dump, kernel, real, errors) => {
    const [estimate, measured] = [profileFrom(dumpNamed(dump), kernel), fingerprint(real)];
    expect(estimate.incomplete).toEqual([]);
    const [a, b] = [stateOfCpu(estimate.cpu), stateOfCpu(measured.cpu)];
    if (a === undefined || b === undefined) throw new Error("must be x86");
    const wrong = diffCpus(a, b).filter(({ kind }) => !FREE.has(kind));
    expect(wrong.map((d) => `${d.name} ${d.a ?? "absent"} ${d.b ?? "absent"}`)).toEqual(errors);
    const entries = (cpuid: typeof estimate.cpu.cpuid) =>
      cpuid.map(({ leaf, subleaf, flags }) => [leaf, subleaf, flags]);
    const same = entries(measured.cpu.cpuid).filter(
      ([leaf, subleaf]) => leaf !== 7 || subleaf === 0,
    );
    expect(
      entries(estimate.cpu.cpuid).filter(([leaf, subleaf]) => leaf !== 7 || subleaf === 0),
    ).toEqual(same);
    expect(estimate.cpu.msrs.map(({ addr }) => addr)).toEqual(
      measured.cpu.msrs.map(({ addr }) => addr),
    );
  });
});

const OTHERWISE = new Set(
  PASSED.filter(({ from }) => from !== "hardware").flatMap((row) => row.features),
);

test("a feature of the hardware is never shown on a CPU that lacks it", () => {
  const hardware = PASSED.flatMap(({ features }) => features).filter(
    (name) => !OTHERWISE.has(name),
  );
  fc.assert(
    fc.property(
      fc.subarray(hardware),
      fc.constantFrom("intel" as const, "amd" as const),
      fc.constantFrom("5.10", "6.1", "6.8", "6.18"),
      fc.constantFrom(...CATALOGUE_MODELS.map(({ signature }) => signature)),
      (features, vendor, kernel, signature) => {
        const has = new Set(features);
        const shown = shownFeatures({ vendor, signature, features: has }, kernel);
        expect([...shown].filter((name) => !has.has(name) && !OTHERWISE.has(name))).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});

test("rows name features of the tables, with a source", () => {
  const names = PASSED.flatMap(({ features, from }) => [
    ...features,
    ...(typeof from === "string" ? [] : from),
  ]);
  expect(names.filter((name) => fieldByName(name) === undefined)).toEqual([]);
  expect(PASSED.filter(({ source }) => source === "")).toEqual([]);
});

test("every feature of the catalogue is one that KVM passes on", () => {
  expect(CATALOGUE.filter(({ vendor }) => vendor !== "arm")).toHaveLength(CATALOGUE_MODELS.length);
  expect(
    CATALOGUE_MODELS.flatMap(({ features }) => features).filter((name) => !isPassable(name)),
  ).toEqual([]);
});

test("supervisor state reaches guests only with CET", () => {
  const shown = STATE_COMPONENTS.filter(
    ({ name, in: where }) => where === "xss" && isPassable(name),
  );
  expect(shown.map(({ name }) => name)).toEqual(["XSS_CET_U", "XSS_CET_S"]);
});
