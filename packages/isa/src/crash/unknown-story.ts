/** Stories that end before an instruction is known: what is needed to go on. */
import { hexAddress } from "../elf/numbers.ts";
import type { Mapping } from "./site.ts";
import { few, story, type Facts, type Story } from "./facts.ts";

/** How to know the build: by its code in memory. */
function codeOf({ start, size }: Mapping): string {
  if (start === undefined || size === undefined) return "";
  return ` (0x${size.toString(16)} bytes of code at ${hexAddress(start)})`;
}

/** Everything but a fault needs bytes; what they can come from depends on what is mapped there. */
export function noBytes({ site, context }: Facts): Story {
  const { mapping, ip } = site;
  const given = context.binaries ?? [];
  if (ip === undefined && mapping === undefined) {
    return story({
      happened: ["SIGILL, exit code 132 (128 + 4): an instruction that this CPU refused."],
      missing: [
        "The kernel's line about it: on the guest's console or in its log (dmesg), " +
          '"traps: NAME[PID] trap invalid opcode ip:…".',
        "Or a core file of the process.",
      ],
    });
  }
  if (mapping === undefined) {
    return story({
      happened: [
        "No file is mapped at the instruction pointer: this is code made at run time (a JIT such as " +
          "V8, the JVM or LuaJIT), or a jump into nowhere.",
      ],
      missing: ["A core file of the process: only it has code that is made at run time."],
    });
  }
  const other = given.length > 0 ? `, not ${few(given.map(({ name }) => name))}` : "";
  return story({
    happened: [
      `An instruction of ${mapping.name} was an invalid opcode. The report says where it is, but not what ` +
        "it is.",
    ],
    missing: [
      `The file ${mapping.name}, the very build that ran${codeOf(mapping)}${other}: --binary ` +
        `PATH/${mapping.name}`,
      "Or a core file of the process, or the instruction's bytes: --bytes '62 f2 …'",
    ],
  });
}

export function aarch64({ site }: Facts): Story {
  return story({
    happened: [
      `The report is of an aarch64 kernel (${site.words}); only x86-64 instructions are decoded.`,
    ],
    missing: ["evenkeel check --snapshot CONTRACT --node PROFILE compares ID registers."],
  });
}
