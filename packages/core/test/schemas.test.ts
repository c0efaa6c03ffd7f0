/** docs/schemas says what the readers take: of real files, and of broken ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { schemaFiles } from "../../../scripts/json-schemas.ts";
import {
  builtInTemplate,
  certify,
  contractToJson,
  EMPTY_TEMPLATE,
  formatTemplate,
  judgeMatrix,
  matrixEntries,
  parseTemplate,
  planPool,
  planToJson,
  predictContract,
  prettyJson,
  profileDigest,
  profileOf,
  profileToJson,
  readCertificate,
  readDocument,
  readText,
  type NodeProfile,
} from "../src/index.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

function profile(file: string): NodeProfile {
  return profileOf(readText(readFileSync(join(ROOT, file), "utf8"), { name: file }));
}

const CLX = profile("examples/bug-report-pool/xeon-silver-4216.json");
const ICX = profile("examples/bug-report-pool/xeon-silver-4314.json");
const ARM = profile("packages/host/test/golden/qemu-7.2-arm-max-6.12.json");

function plan(...nodes: NodeProfile[]): Record<string, unknown> {
  const result = planPool(nodes);
  if (!result.ok) throw new Error("it must have a plan");
  return JSON.parse(prettyJson(planToJson(result.plan))) as Record<string, unknown>;
}

function certificate(): Record<string, unknown> {
  const entries = matrixEntries([CLX, ICX], (node) => {
    const result = predictContract(node, { firecracker: "1.14.1", vcpus: 1, smt: false });
    if (!result.ok) throw new Error("it must boot");
    return result.contract;
  });
  const inputs = [CLX, ICX].map((node) => ({
    file: `${node.name}.json`,
    name: node.name,
    digest: profileDigest(node),
  }));
  const certified = certify(inputs, {}, "1.14.1", entries, judgeMatrix(entries, "1.14.1"));
  return JSON.parse(prettyJson(certified)) as Record<string, unknown>;
}

const snapshot = predictContract(CLX, { firecracker: "1.14.1", vcpus: 1, smt: false });
if (!snapshot.ok) throw new Error("it must boot");
const asJson = (value: unknown): unknown => JSON.parse(prettyJson(value));

const FILES = [
  ["node-profile@1", asJson(profileToJson(ICX)), (json: unknown) => readDocument(json, "")],
  ["node-profile@1", asJson(profileToJson(ARM)), (json: unknown) => readDocument(json, "")],
  [
    "cpu-contract@1",
    asJson(contractToJson(snapshot.contract)),
    (json: unknown) => readDocument(json, ""),
  ],
  [
    "cpu-template",
    JSON.parse(formatTemplate(builtInTemplate("T2CL")?.templateFor("1.14") ?? EMPTY_TEMPLATE)),
    parseTemplate,
  ],
  ["pool-plan@1", plan(CLX, ICX), (json: unknown) => readDocument(json, "")],
  ["pool-plan@1", plan(ARM), (json: unknown) => readDocument(json, "")],
  ["matrix@1", certificate(), readCertificate],
] as const;

function validatorOf(name: string) {
  const text = readFileSync(join(ROOT, `docs/schemas/${name}.json`), "utf8");
  return new Ajv2020({ strict: false }).compile(JSON.parse(text) as object);
}

test("docs/schemas holds the schemas of the readers", () => {
  for (const [name, text] of schemaFiles()) {
    expect(readFileSync(join(ROOT, "docs/schemas", name), "utf8")).toBe(text);
  }
});

test.each(FILES)("a real file of %s is valid, and read", (name, json, read) => {
  const validate = validatorOf(name);
  expect([validate(json), validate.errors]).toEqual([true, null]);
  expect(read(json)).toBeDefined();
});

/** Every member of the top level and of the first items below it, replaced by a number. */
function damaged(json: unknown): unknown[] {
  if (typeof json === "string") return [1];
  if (Array.isArray(json)) {
    const [first, ...rest] = json as unknown[];
    return json.length === 0 ? [] : [1, ...damaged(first).map((one) => [one, ...rest])];
  }
  if (typeof json !== "object" || json === null) return [];
  return Object.entries(json).flatMap(([key, value]) =>
    damaged(value).map((one) => ({ ...json, [key]: one })),
  );
}

test.each(FILES)(
  "what the schema of %s refuses, the reader refuses, and the other way",
  (name, json, read) => {
    const validate = validatorOf(name);
    const refuses = (one: unknown) => {
      try {
        read(one);
        return false;
      } catch {
        return true;
      }
    };
    const all = damaged(json);
    expect(all.length).toBeGreaterThan(8);
    expect(all.filter(refuses).length).toBeGreaterThan(8);
    expect(all.map((one) => !validate(one))).toEqual(all.map(refuses));
  },
);
