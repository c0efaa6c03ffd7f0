/** What a program does on a CPU of QEMU's user emulation: the truth that scans are held to. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CPUID_FIELDS } from "@evenkeel/core";
import type { Member } from "../src/scan/judge.ts";
import { run } from "./tools.ts";

export type Fate = "lives" | "dies" | "refuses";

const EMULATOR = "qemu-x86_64";

/** Runs a program on a model of QEMU's: `Nehalem`, `Haswell`. */
export function fateOn(model: string, path: string, args: readonly string[] = []): Fate {
  const { status, signal, stderr } = spawnSync(EMULATOR, ["-cpu", model, path, ...args], {
    encoding: "latin1",
    timeout: 60_000,
  });
  // QEMU raises the guest's signal on itself; a shell in between would say 132.
  if (signal === "SIGILL" || status === 132) return "dies";
  // Go's runtime catches the signal to print where it came from.
  if (stderr.startsWith("SIGILL")) return "dies";
  return status === 0 ? "lives" : "refuses";
}

const DUMPER = `#include <cpuid.h>
#include <stdio.h>
int main(void) {
  const unsigned leaves[][2] = {{1,0},{7,0},{7,1},{13,0},{13,1},{0x80000001,0}};
  for (int i = 0; i < 6; i++) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    __get_cpuid_count(leaves[i][0], leaves[i][1], &a, &b, &c, &d);
    printf("%u %u %u %u %u %u\\n", leaves[i][0], leaves[i][1], a, b, c, d);
  }
}`;

/** A model as a member of a pool: what its CPUID says inside the emulation. */
export function memberOf(model: string, directory: string): Member {
  const [source, program] = [join(directory, "cpuid.c"), join(directory, "cpuid")];
  writeFileSync(source, DUMPER);
  run("gcc", ["-O1", "-o", program, source]);
  const words = new Map<string, number>();
  for (const line of run(EMULATOR, ["-cpu", model, program]).trim().split("\n")) {
    const [leaf = 0, subleaf = 0, ...values] = line.split(" ").map(Number);
    for (const [i, register] of ["eax", "ebx", "ecx", "edx"].entries()) {
      words.set(`${leaf}.${subleaf}.${register}`, values[i] ?? 0);
    }
  }
  const set = CPUID_FIELDS.filter(({ leaf, subleaf, register, lo }) => {
    const word = words.get(`${leaf}.${subleaf ?? 0}.${register}`) ?? 0;
    return ((word >>> lo) & 1) === 1;
  });
  const features = new Set(set.map(({ name }) => name));
  return { name: model, features, answer: (name) => (features.has(name) ? "yes" : "no") };
}
