/** Stories in which the program itself is the reason, or its bytes are not those that died. */
import { listOf } from "@evenkeel/core";
import { newerExtension } from "./cause.ts";
import { few, instructionOf, story, type Facts, type Story } from "./facts.ts";

/**
 * Clang's checks in the order of their numbers, as -fsanitize-trap has them.
 * Source: https://github.com/llvm/llvm-project/blob/main/clang/lib/CodeGen/SanitizerHandler.h
 */
const CHECKS = [
  "add-overflow: an addition of integers overflowed",
  "builtin-unreachable: __builtin_unreachable() was reached",
  "cfi-check-fail: a call or cast that CFI forbids",
  "divrem-overflow: a division by zero, or one that overflowed",
  "dynamic-type-cache-miss: an object of another type",
  "float-cast-overflow: a floating-point number too large for the integer",
  "function-type-mismatch: a call through a pointer of another type",
  "implicit-conversion: an implicit conversion lost data",
  "invalid-builtin: a builtin called with what it forbids",
  "invalid-objc-cast: an invalid cast in Objective-C",
  "load-invalid-value: a bool or an enum with a value it cannot have",
  "missing-return: the end of a function that must return a value",
  "mul-overflow: a multiplication of integers overflowed",
  "negate-overflow: a negation overflowed",
  "nullability-arg: null where _Nonnull forbids it",
  "nullability-return: null returned where _Nonnull forbids it",
  "nonnull-arg: null passed where it is forbidden",
  "nonnull-return: null returned where it is forbidden",
  "out-of-bounds: an array index out of bounds",
  "pointer-overflow: pointer arithmetic overflowed",
  "shift-out-of-bounds: a shift by too many bits",
  "sub-overflow: a subtraction of integers overflowed",
  "type-mismatch: a null or misaligned pointer, or an object too small",
  "alignment-assumption: an alignment that was promised is not there",
  "vla-bound-not-positive: an array of a length that is not positive",
  "bounds-safety: -fbounds-safety",
] as const;

/** Clang's trap for UBSan: UD1 with the number of the check as its displacement. */
function sanitizerCheck(bytes: Buffer | undefined): string | undefined {
  const ubsan = bytes?.[0] === 0x67 && bytes[1] === 0x0f && bytes[2] === 0xb9;
  // Clang 14 leaves a displacement of 0 out.
  const number = ubsan
    ? bytes[3] === 0x40
      ? bytes[4]
      : bytes[3] === 0
        ? 0
        : undefined
    : undefined;
  return number === undefined ? undefined : (CHECKS[number] ?? `number ${number} of its list`);
}

export function deliberate(facts: Facts): Story {
  const { site, bytes } = facts;
  const check = sanitizerCheck(bytes);
  const who =
    site.ring === "kernel"
      ? "the kernel's BUG() or one of its checks"
      : check === undefined
        ? "an assertion, a panic that aborts (Rust, V8, Go), a check of UBSan or CFI, __builtin_trap()"
        : `a check of Clang's UBSan, ${check}`;
  const where =
    site.ring === "kernel"
      ? "The lines before the oops say which."
      : "What it wrote to its log or stderr just before says why.";
  return story({
    happened: [
      `${instructionOf(facts)?.mnemonic ?? "UD2"} faults on every CPU: ${who}. The program stopped ` +
        "itself on purpose.",
      "This is not a matter of CPU features, unless its message says so.",
    ],
    now: [where],
  });
}

export function breakpoint({ site }: Facts): Story {
  return story({
    happened: [
      "INT3 is a breakpoint: a debugger's, a probe's, or a stop that V8 and Go compile in where " +
        `execution must never come. ${site.ring === "kernel" ? "Kernels patch code with it too." : ""}`.trim(),
      "This is not a matter of CPU features.",
    ],
    now: ["Look at what the program wrote just before; detach debuggers and uprobes."],
  });
}

export function privileged(facts: Facts): Story {
  const name = instructionOf(facts)?.mnemonic ?? "";
  return story({
    happened: [
      `${name} is for kernels: a program that executes it dies on every CPU. The program is wrong, ` +
        "or was sent to this place by a bad pointer.",
    ],
    now: ["Look into the program; the CPU and the snapshot are not the reason."],
  });
}

export function hypervisor(facts: Facts): Story {
  const name = instructionOf(facts)?.mnemonic ?? "";
  return story({
    happened: [
      `${name} is for hypervisors. In a guest it needs nested virtualization, which Firecracker ` +
        "does not offer.",
    ],
    now: ["Run what needs a hypervisor of its own outside of this guest."],
  });
}

/** LZCNT, TZCNT, ENDBR64 and their like: worse than a fault, or nothing at all. */
export function cannotFault(facts: Facts): Story {
  const { text = "", requirements } = instructionOf(facts) ?? {};
  const { standIn, without, features = [], oneOf = [] } = requirements ?? {};
  const names = listOf([...features, ...oneOf]) || "its feature";
  const { lack = [] } = facts.evidence?.holders ?? {};
  const silent = without === "silent";
  const does = standIn === undefined ? "nothing" : `${standIn} instead`;
  return story({
    happened: [
      `A CPU without ${names} does ${does} for "${text}", and raises no fault: this instruction is not ` +
        "what died.",
      ...(silent
        ? [
            `It is worse: programs that found ${names} when they started get wrong results where it is ` +
              `missing${lack.length > 0 ? `, as on ${few(lack)}` : ""}, and nobody is told.`,
          ]
        : []),
    ],
    ...(silent
      ? { forGood: ["Plan the pool (evenkeel plan): its guests see only what every node has."] }
      : {}),
    ...notTheseBytes(facts),
  });
}

function notTheseBytes({ site }: Facts): Partial<Story> {
  if (site.report === "bytes") return {};
  const file = site.mapping?.name ?? "the program";
  return {
    now: [`Compare the build of ${file} with the one that ran (readelf -n shows its build id).`],
    missing:
      site.report === "core file"
        ? []
        : ["A core file: it has the registers and says which files were mapped."],
  };
}

export function everyCpu(facts: Facts): Story {
  return story({
    happened: [
      `Every x86-64 CPU executes "${instructionOf(facts)?.text ?? ""}". These are not the bytes that ` +
        "died: another build of the file, code that was changed while it ran, or a wrong address.",
    ],
    ...notTheseBytes(facts),
  });
}

export function notCode({ site, decoded }: Facts): Story {
  const what =
    decoded === "invalid"
      ? "The bytes are no instruction that any CPU has."
      : "No instruction of the program begins at this address.";
  return story({
    happened: [
      `${what} The program jumped to a wrong place, into data or the middle of an instruction: a ` +
        "bad function pointer, a damaged stack, or code that was overwritten.",
      "This is not a matter of CPU features.",
    ],
    now: [
      site.report === "core file"
        ? "Look at the stack (gdb PROGRAM CORE, then bt) for who jumped here."
        : "Get a core file and look at the stack for who jumped here.",
    ],
  });
}

export function newer({ bytes }: Facts): Story {
  const extension = newerExtension(bytes ?? Buffer.alloc(0)) ?? "";
  return story({
    happened: [
      `The bytes look like an instruction of ${extension}, newer than this decoder knows. ` +
        "Or they are data, and the program jumped to a wrong place.",
    ],
    missing: ["A current objdump -d or llvm-objdump -d of the program, to read the instruction."],
  });
}

export function cutShort(): Story {
  return story({
    happened: ["The bytes end before the instruction does."],
    missing: ["All bytes of the instruction, up to 15, or the binary (--binary)."],
  });
}

export function sent({ site }: Facts): Story {
  return story({
    happened: [
      `The signal was sent by a process (si_code ${site.signalCode}), as kill -ILL does: no ` +
        "instruction failed.",
      "This is not a matter of CPU features.",
    ],
    now: ["Look for who sent it: supervisors, test harnesses, the program itself (raise)."],
  });
}
