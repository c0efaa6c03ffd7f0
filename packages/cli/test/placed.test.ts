import { expect, test } from "vitest";
import { placeGuests } from "./placed.ts";
import { temporaryDirectory } from "./run.ts";

test("no guest is placed where it dies; with the filter off, those without a plan do", async () => {
  const { placed, refused, died, overridden } = await placeGuests(temporaryDirectory(), 24);
  expect(died).toEqual([]);
  expect(placed.planned + placed.unplanned + refused).toBe(24);
  // With the plan every node takes every snapshot.
  expect(placed.planned).toBe(12);
  expect(refused).toBeGreaterThan(0);
  expect(placed.unplanned).toBeGreaterThanOrEqual(6);
  expect(overridden.tried).toBeGreaterThanOrEqual(4);
  expect(overridden.died).toBe(overridden.tried);
}, 1_200_000);
