/** What nodes and servers say, on a terminal. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FleetError } from "../src/errors.ts";
import { printable, printableIn } from "../src/printable.ts";
import { listText } from "../src/render/fleet.ts";

const EVIL = "a\u001b]0;owned\u0007\u009b31m\u202egnp\u200b\r\nroot# ";

/** Any character; fast-check's own unit "binary" takes three seconds to set up. */
const unit = fc
  .oneof(fc.nat(0xff), fc.integer({ min: 0x2000, max: 0x20ff }), fc.nat(0x10ffff))
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code));

test("no control, format or reordering character gets through, and JSON stays what it was", () => {
  fc.assert(
    fc.property(fc.string({ unit }), (text) => {
      expect(printable(text)).not.toMatch(/[^\P{C}\n]/u);
      const json = JSON.stringify({ text });
      expect(JSON.parse(printable(json))).toEqual({ text });
    }),
  );
});

test("a list, a description and an error show what a node made up as what it is", () => {
  const row = { name: EVIL, role: "view", created: "c", createdBy: EVIL };
  const shown = listText("tokens", printableIn([row]));
  expect(shown).not.toMatch(/[^\P{C}\n]/u);
  expect(shown.trimEnd().split("\n")).toHaveLength(2);
  expect(shown).toContain("\\u001b]0;owned\\u0007");
  const error = { code: "X", message: EVIL, hint: EVIL, problems: [{ path: EVIL, message: EVIL }] };
  const { message, hint, problems } = FleetError.of("s", 400, JSON.stringify({ error }));
  expect([message, hint, JSON.stringify(problems)].join("")).not.toMatch(/\p{C}/u);
});
