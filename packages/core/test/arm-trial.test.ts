/** What KVM really took, in emulation, against the rows that say what it takes by its release. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { armFields } from "../src/tables/arm/lookup.ts";
import { takes, writerOf } from "../src/profile/arm/takes.ts";
import { armTrials } from "../src/verify/trial-arm.ts";
import { readField } from "../src/bits.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { readProfile } from "../src/read/document.ts";

function golden(name: string): NodeProfile {
  const path = fileURLToPath(new URL(`../../host/test/golden/${name}.json`, import.meta.url));
  return readProfile(JSON.parse(readFileSync(path, "utf8")), "");
}

/** Old KVMs showed a PMU that was none of the architecture's; newer ones take that and show none. */
const BEYOND_ROWS: ReadonlySet<string> = new Set(["PMUVer 15", "PerfMon 15"]);

describe.each([
  ["qemu-7.2-arm-max-6.1", 8],
  ["qemu-7.2-arm-max-6.12", 170],
])("%s", (name, least) => {
  const { cpu, host, kvm } = golden(name);
  const [tried, told] = [writerOf(host.kernel, kvm), writerOf(host.kernel, undefined)];
  const words = new Map(cpu.registers.map(({ id, value }) => [id, value]));
  const attempts = armTrials(cpu.registers).flatMap(({ id, hi, lo, values }) => {
    const field = armFields(id).find((f) => f.hi === hi && f.lo === lo && f.merge !== "free");
    if (field === undefined) return [];
    const own = readField(words.get(id) ?? 0n, field);
    return values.map((value) => ({ field, own, value }));
  });

  test("rows agree with every value that a trial took", () => {
    expect(kvm?.takenFields?.length).toBeGreaterThanOrEqual(least);
    expect(attempts.length).toBeGreaterThan(500);
    const wrong = attempts.flatMap(({ field, own, value }) => {
      const [real, row] = [tried, told].map((w) => takes(field, own, value, w, "restore"));
      const isKnown = BEYOND_ROWS.has(`${field.name} ${value}`);
      return row === "unknown" || row === real || isKnown
        ? []
        : [`${field.register}.${field.name} ${own} to ${value}: KVM ${real}, the row ${row}`];
    });
    expect(wrong).toEqual([]);
  });

  test("a trial took no more than the node has", () => {
    const more = attempts.filter(
      ({ field, own, value }) =>
        takes(field, own, value, tried, "restore") === "yes" &&
        takes(field, own, value, writerOf("6.18.0", undefined), "restore") === "no",
    );
    const texts = more.map(({ field, value }) => `${field.name} ${value}`);
    expect(texts.filter((text) => !BEYOND_ROWS.has(text))).toEqual([]);
  });
});
