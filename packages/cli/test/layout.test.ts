import fc from "fast-check";
import { expect, it } from "vitest";
import { bar } from "../src/render/layout.ts";

it("draws a share without color", () => {
  expect([bar(0, 8, 4), bar(3, 8, 4), bar(8, 8, 4), bar(0, 0, 4)]).toEqual([
    "····",
    "█▌··",
    "████",
    "····",
  ]);
});

it("is as wide as asked, whatever the numbers", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 60 }), (value, total, width) => {
      expect(Array.from(bar(value, total, width))).toHaveLength(width);
    }),
  );
});
