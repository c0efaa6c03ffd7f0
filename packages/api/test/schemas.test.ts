/** What the schemas let in. */
import { join, normalize } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AGENT_ROUTES, SnapshotMetadata } from "../src/index.ts";

const { params } = AGENT_ROUTES.getSnapshot.schema;

test("a name that is let in is one file name, in the directory it is put in", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(".", "/", "a", "-", "\0", "\\") }),
    fc.stringMatching(/^[A-Za-z0-9._-]{1,70}$/),
  );
  fc.assert(
    fc.property(texts, (name) => {
      if (!params.safeParse({ name }).success) return;
      expect(normalize(join("/data", name))).toBe(`/data/${name}`);
      expect(name).not.toMatch(/[/\\\0]|^[.-]/);
    }),
    { numRuns: 2000 },
  );
});

test("every call that takes a body says what it may not have", () => {
  for (const { schema } of Object.values(AGENT_ROUTES)) {
    expect(schema.querystring.safeParse({ surprise: 1 }).success).toBe(false);
    if (!("body" in schema)) continue;
    const parsed = schema.body.safeParse({ surprise: 1 });
    const issues = parsed.error?.issues.map(({ code }) => code);
    expect(issues).toContain("unrecognized_keys");
  }
});

test("metadata of another version is not taken for this one's", () => {
  const { error } = SnapshotMetadata.safeParse({ schema: "evenkeel/snapshot@1" });
  expect(error?.issues.map(({ path }) => path.join("."))).toContain("schema");
});
