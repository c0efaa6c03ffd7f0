/** A quick share of `npm run fuzz`: every reader, the same inputs each time. */
import { expect, test } from "vitest";
import { mutate, randomFrom, readOne, seeds } from "./fuzz-support.ts";

const INPUTS = 300;
/** One in so many is shown and planned as well, which takes longer than reading. */
const DEEPLY = 20;

test.each([...seeds()])(
  "whatever happens to a %s, it is read or refused with its place",
  (reader, seed) => {
    expect(readOne(reader, seed)).toBe("document");
    const counts = { document: 0, error: 0 };
    for (let i = 0; i < INPUTS; i++) {
      counts[readOne(reader, mutate(seed, randomFrom(i)), i % DEEPLY === 0)]++;
    }
    // A fuzzer whose inputs are all refused, or all read, tests little.
    expect(counts.error).toBeGreaterThan(INPUTS / 10);
    expect(counts.document).toBeGreaterThan(0);
  },
);
