import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { few, plural, short, visible } from "../src/view/text.ts";

describe("visible", () => {
  it("shows what turns text around, and what takes no room", () => {
    expect(visible("a\u202eb\u200bc\u0007d\ufeff")).toBe("a\\u202eb\\u200bc\\u0007d\\ufeff");
  });

  it("leaves lines and every script as they are", () => {
    expect(visible("node\n\tузел 节点 عقدة")).toBe("node\n\tузел 节点 عقدة");
  });

  it("leaves nothing unseen", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // oxlint-disable-next-line no-control-regex -- those are what is looked for
        expect(visible(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      }),
    );
  });
});

describe("short", () => {
  it("keeps the beginning and the end", () => {
    expect(short("abcdefghijklmnopqrstuvwxyz", 9)).toBe("abcdef…yz");
  });

  it("keeps names that fit, and cuts no character in two", () => {
    expect(short("node-1", 9)).toBe("node-1");
    expect(short("😀".repeat(10_000), 8)).toBe(`${"😀".repeat(5)}…${"😀".repeat(2)}`);
  });

  it("never makes a name longer", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.integer({ min: 4, max: 80 }),
        (text, room) => {
          expect([...short(text, room)].length).toBeLessThanOrEqual(Math.max(room, 0));
        },
      ),
    );
  });
});

describe("lists", () => {
  it("count what they do not name", () => {
    expect(few(["a", "b", "c", "d"], 2)).toBe("a, b and 2 more");
    expect(few(["a", "b"], 2)).toBe("a and b");
    expect(few([])).toBe("");
  });

  it("say numbers in words that fit", () => {
    expect([plural(1, "class"), plural(2, "class"), plural(0, "node")]).toEqual([
      "1 class",
      "2 classes",
      "0 nodes",
    ]);
  });
});
