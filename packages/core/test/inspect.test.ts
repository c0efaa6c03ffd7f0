import { expect, test } from "vitest";
import { decode } from "../src/inspect/decode.ts";
import { decodeTemplate } from "../src/inspect/decode-template.ts";
import { diffCpus, diffTemplates } from "../src/inspect/diff.ts";
import { stateOfCpu } from "../src/profile/state.ts";
import { compareText } from "../src/format/text.ts";
import { parseTemplate } from "../src/template/parse.ts";
import { modelCpu } from "./arbitrary.ts";

const clx = stateOfCpu(modelCpu("cascade-lake"));
const icx = stateOfCpu(modelCpu("ice-lake-sp"));
if (clx === undefined || icx === undefined) throw new Error("both are x86");

test("decoding names every field, in the order of addresses", () => {
  const fields = decode(clx);
  expect(fields.find(({ name }) => name === "AVX512_VNNI")).toMatchObject({
    address: "CPUID.(EAX=07H,ECX=0):ECX[11]",
    value: 1n,
  });
  const orders = fields.map(({ order }) => order);
  expect(orders).toEqual(orders.toSorted(compareText));
});

test("a difference has its address and both values; absent counts as zero", () => {
  const differences = diffCpus(clx, icx);
  expect(differences).toContainEqual({
    address: "MSR 10AH[19]",
    name: "RRSBA",
    title: "restricted return predictions from other sources",
    kind: "union",
    a: "1",
    b: "0",
  });
  expect(differences.find(({ name }) => name === "PSFD")).toMatchObject({ a: undefined, b: "1" });
  expect(diffCpus(clx, clx)).toEqual([]);
  expect(diffCpus(icx, clx).map(({ name, a, b }) => [name, b, a])).toEqual(
    differences.map(({ name, a, b }) => [name, a, b]),
  );
});

test("templates are decoded and compared bit by bit", () => {
  const modifier = (bitmap: string) =>
    parseTemplate({
      cpuid_modifiers: [
        { leaf: "0x7", subleaf: "0x0", flags: 1, modifiers: [{ register: "ebx", bitmap }] },
      ],
    });
  expect(decodeTemplate(modifier("0b1_0xxxxx")).map(({ name, bits }) => [name, bits])).toEqual([
    ["AVX2", "0"],
    ["FDP_EXCPTN_ONLY", "1"],
  ]);
  expect(diffTemplates(modifier("0b0xxxxx"), modifier("0bx1xxx"))).toMatchObject([
    { name: "BMI1", a: undefined, b: "1" },
    { name: "AVX2", a: "0", b: undefined },
  ]);
});
