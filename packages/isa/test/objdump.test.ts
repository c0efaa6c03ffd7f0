/** Features found agree with GNU objdump, function by function, on the libraries of this system. */
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { withBytes } from "../src/elf/bytes.ts";
import { readElf } from "../src/elf/file.ts";
import { readProgram } from "../src/scan/program.ts";
import type { ReadFunction } from "../src/scan/walk.ts";
import { objdump } from "./objdump.ts";
import { hasTool } from "./tools.ts";

const FOLDERS = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"];

function library(name: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
}

/** Names of rows to the groups of the second opinion; what it does not judge is left out. */
function groupsOf(features: readonly string[]): string[] {
  if (features.some((name) => name.startsWith("AVX512"))) return ["AVX512"];
  if (features.includes("FMA4")) return ["FMA4"];
  if (features.includes("XOP")) return ["XOP"];
  if (features.includes("FMA")) return ["FMA"];
  if (features.includes("F16C")) return ["F16C"];
  if (features.some((name) => name === "AVX" || name === "AVX2")) return ["AVX"];
  return features.filter((name) => JUDGED.has(name));
}

const JUDGED = new Set(
  "SSE3 SSSE3 SSE4_1 SSE4_2 POPCNT LZCNT MOVBE RDRAND RDSEED ADX BMI1 BMI2 AESNI PCLMULQDQ SHA".split(
    " ",
  ),
);

interface Disagreement {
  readonly place: string;
  readonly onlyObjdump: string[];
  readonly onlyScan: string[];
}

function mine(f: ReadFunction, table: { needs: Uint16Array; sets: (readonly string[])[] }) {
  const groups = new Map<string, number>();
  for (const [key, n] of f.code.uses) {
    if (key % 3 === 2) continue;
    for (const group of groupsOf(table.sets[table.needs[Math.floor(key / 3)] ?? 0] ?? [])) {
      groups.set(group, (groups.get(group) ?? 0) + n);
    }
  }
  return groups;
}

function compare(file: string) {
  const { functions, table } = withBytes(file, (source) => readProgram(readElf(source)).code);
  const theirs = objdump(file);
  const disagreements: Disagreement[] = [];
  let [at, agreeing, needing] = [0, 0, 0];
  for (const f of functions) {
    if (!f.bounded) continue;
    const groups = new Map<string, number>();
    while ((theirs[at]?.address ?? Infinity) < f.start) at += 1;
    for (let i = at; (theirs[i]?.address ?? Infinity) < f.end; i++) {
      const group = theirs[i]?.group ?? "";
      groups.set(group, (groups.get(group) ?? 0) + 1);
    }
    const own = mine(f, table);
    const onlyObjdump = [...groups.keys()].filter((group) => groups.get(group) !== own.get(group));
    const onlyScan = [...own.keys()].filter((group) => !groups.has(group));
    if (own.size > 0 || groups.size > 0) needing += 1;
    if (onlyObjdump.length === 0 && onlyScan.length === 0) agreeing += 1;
    else {
      const place = `${f.name ?? "?"}@${f.start.toString(16)}`;
      const counts = (names: string[]) =>
        names.map((name) => `${name} ${groups.get(name) ?? 0}/${own.get(name) ?? 0}`);
      disagreements.push({ place, onlyObjdump: counts(onlyObjdump), onlyScan: counts(onlyScan) });
    }
  }
  return { functions: functions.length, agreeing, needing, disagreements };
}

const LIBRARIES = ["libc.so.6", "libm.so.6", "libcrypto.so.3", "libstdc++.so.6", "libz.so.1"];

test.runIf(hasTool("objdump")).each(LIBRARIES)("objdump agrees on every function of %s", (name) => {
  const file = library(name);
  if (file === undefined) {
    process.stderr.write(`skipping ${name}: it is not installed\n`);
    return;
  }
  const { disagreements, needing } = compare(file);
  process.stderr.write(`${name}: ${needing} functions need features\n`);
  expect(disagreements).toEqual([]);
});
