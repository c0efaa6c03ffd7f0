/** The canary's routines that know nothing of features: printing, reading CPUID, ending. */
import { Code, Register as R } from "iced-x86";
import { at, branch, call, imm, label, load, op, reg, set, store, type Item } from "./assembler.ts";
import type { Data } from "./data.ts";
import { IMAGE_BASE } from "./elf.ts";

/** Numbers and buffers that the routines share, by address. */
export interface Places {
  readonly line: number;
  readonly lineEnd: number;
  readonly digits: number;
  /** Leaves that have subleaves: pairs of leaf and last subleaf, closed by zero. */
  readonly subleaves: number;
  /** EAX, EBX, ECX, EDX of the CPUID entry being looked at. */
  readonly registers: number;
  readonly hash: number;
  readonly result: number;
  readonly currentName: number;
  readonly currentLength: number;
  readonly saved: number;
  readonly signalAction: number;
}

/** A routine by its name; later ones may call earlier ones. */
export type Routine = readonly [name: string, items: readonly Item[]];

/** Source: Linux arch/x86/entry/syscalls/syscall_64.tbl. */
export const SYSCALL = {
  write: 1,
  rtSigaction: 13,
  ioctl: 16,
  nanosleep: 35,
  getpid: 39,
  exit: 60,
  reboot: 169,
} as const;

export function syscall(number: number, ...args: readonly (number | bigint)[]): Item[] {
  const registers = [R.RDI, R.RSI, R.RDX, R.R10];
  return [
    ...args.map((value, i) => set(registers[i] ?? R.RDI, value)),
    set(R.RAX, number),
    op(Code.Syscall),
  ];
}

/** Appends a text to the line. */
export function say(data: Data, text: string): Item[] {
  const { address: start, length } = data.text(text);
  return [set(R.RSI, start), set(R.RDX, length), call("put")];
}

/** Appends a number from memory as hexadecimal digits. */
export function sayHex(memory: number, digits: number): Item[] {
  return [load(Code.Mov_r64_rm64, R.RAX, at(memory)), set(R.RCX, digits), call("putHex")];
}

function printing({ line, lineEnd, digits }: Places): Routine[] {
  return [
    [
      "put",
      [
        load(Code.Mov_r64_rm64, R.RDI, at(lineEnd)),
        reg(Code.Mov_r64_rm64, R.RCX, R.RDX),
        label("next"),
        load(Code.Mov_r8_rm8, R.AL, at(0, R.RSI)),
        store(Code.Mov_rm8_r8, at(0, R.RDI), R.AL),
        reg(Code.Inc_rm64, R.RSI),
        reg(Code.Inc_rm64, R.RDI),
        reg(Code.Dec_rm64, R.RCX),
        branch(Code.Jne_rel8_64, "next"),
        store(Code.Mov_rm64_r64, at(lineEnd), R.RDI),
        op(Code.Retnq),
      ],
    ],
    [
      "putHex",
      [
        load(Code.Mov_r64_rm64, R.RDI, at(lineEnd)),
        reg(Code.Mov_r64_rm64, R.R9, R.RAX),
        imm(Code.Shl_rm64_imm8, [R.RCX], 2),
        label("next"),
        imm(Code.Sub_rm64_imm8, [R.RCX], 4),
        reg(Code.Mov_r64_rm64, R.R8, R.R9),
        reg(Code.Shr_rm64_CL, R.R8, R.CL),
        imm(Code.And_rm64_imm8, [R.R8], 15),
        load(Code.Mov_r8_rm8, R.AL, at(digits, R.R8)),
        store(Code.Mov_rm8_r8, at(0, R.RDI), R.AL),
        reg(Code.Inc_rm64, R.RDI),
        reg(Code.Test_rm64_r64, R.RCX, R.RCX),
        branch(Code.Jne_rel8_64, "next"),
        store(Code.Mov_rm64_r64, at(lineEnd), R.RDI),
        op(Code.Retnq),
      ],
    ],
    [
      // Writes the line in one go, so that the kernel's messages do not come between.
      "flush",
      [
        load(Code.Mov_r64_rm64, R.RDI, at(lineEnd)),
        imm(Code.Mov_r32_imm32, [R.EAX], 10),
        store(Code.Mov_rm8_r8, at(0, R.RDI), R.AL),
        reg(Code.Inc_rm64, R.RDI),
        reg(Code.Mov_r64_rm64, R.RDX, R.RDI),
        set(R.RSI, line),
        store(Code.Mov_rm64_r64, at(lineEnd), R.RSI),
        reg(Code.Sub_r64_rm64, R.RDX, R.RSI),
        set(R.RDI, 1),
        set(R.RAX, SYSCALL.write),
        op(Code.Syscall),
        op(Code.Retnq),
      ],
    ],
  ];
}

/** CPUID of EAX and ECX, or zeros where the leaf is beyond the highest of its range. */
function checkedCpuid(): Routine {
  return [
    "cpuid",
    [
      reg(Code.Mov_r32_rm32, R.R9D, R.EAX),
      reg(Code.Mov_r32_rm32, R.R10D, R.ECX),
      imm(Code.And_EAX_imm32, [R.EAX], -0x4000_0000),
      reg(Code.Xor_r32_rm32, R.ECX, R.ECX),
      op(Code.Cpuid),
      reg(Code.Cmp_r32_rm32, R.EAX, R.R9D),
      branch(Code.Jb_rel8_64, "beyond"),
      reg(Code.Mov_r32_rm32, R.EAX, R.R9D),
      reg(Code.Mov_r32_rm32, R.ECX, R.R10D),
      op(Code.Cpuid),
      op(Code.Retnq),
      label("beyond"),
      ...[R.EAX, R.EBX, R.ECX, R.EDX].map((register) => reg(Code.Xor_r32_rm32, register, register)),
      op(Code.Retnq),
    ],
  ];
}

const HASH_FACTOR = 0x9e37_79b9_7f4a_7c15n;

/** Looks at one entry: R12D is the leaf, EBP the subleaf, R15 says whether to print. */
function visitEntry(data: Data, { registers, hash }: Places): Routine {
  const places = [0, 4, 8, 12].map((offset) => registers + offset);
  const named = [R.EAX, R.EBX, R.ECX, R.EDX];
  const mix = (source: number) => [
    imm(Code.Rol_rm64_imm8, [R.R8], 5),
    load(Code.Mov_r32_rm32, R.ECX, at(source)),
    reg(Code.Xor_r64_rm64, R.R8, R.RCX),
    reg(Code.Imul_r64_rm64, R.R8, R.R9),
  ];
  return [
    "visit",
    [
      reg(Code.Mov_r32_rm32, R.EAX, R.R12D),
      reg(Code.Mov_r32_rm32, R.ECX, R.EBP),
      op(Code.Cpuid),
      ...places.map((place, i) => store(Code.Mov_rm32_r32, at(place), named[i] ?? R.EAX)),
      load(Code.Mov_r64_rm64, R.R8, at(hash)),
      set(R.R9, HASH_FACTOR),
      reg(Code.Xor_r64_rm64, R.R8, R.R12),
      ...places.flatMap(mix),
      store(Code.Mov_rm64_r64, at(hash), R.R8),
      reg(Code.Test_rm32_r32, R.R15D, R.R15D),
      branch(Code.Je_rel32_64, "done"),
      reg(Code.Test_rm32_r32, R.EBP, R.EBP),
      branch(Code.Je_rel8_64, "print"),
      load(Code.Mov_r64_rm64, R.RAX, at(registers)),
      load(Code.Or_r64_rm64, R.RAX, at(registers + 8)),
      branch(Code.Je_rel32_64, "done"),
      label("print"),
      ...say(data, "canary cpuid "),
      reg(Code.Mov_r32_rm32, R.EAX, R.R12D),
      set(R.RCX, 8),
      call("putHex"),
      ...say(data, " "),
      reg(Code.Mov_r32_rm32, R.EAX, R.EBP),
      set(R.RCX, 8),
      call("putHex"),
      ...places.flatMap((place) => [...say(data, " "), ...sayHex(place, 8)]),
      call("flush"),
      label("done"),
      op(Code.Retnq),
    ],
  ];
}

/** Looks at every entry of the range that begins at R12D; the last leaf of a range is near. */
function walkRange({ subleaves }: Places): Routine {
  const FARTHEST = 0x1000;
  return [
    "range",
    [
      reg(Code.Mov_r32_rm32, R.EAX, R.R12D),
      reg(Code.Xor_r32_rm32, R.ECX, R.ECX),
      op(Code.Cpuid),
      reg(Code.Mov_r32_rm32, R.R13D, R.EAX),
      reg(Code.Sub_r32_rm32, R.EAX, R.R12D),
      imm(Code.Cmp_rm32_imm32, [R.EAX], FARTHEST),
      branch(Code.Ja_rel32_64, "end"),
      label("leaf"),
      set(R.RSI, subleaves),
      label("look"),
      load(Code.Mov_r32_rm32, R.R14D, at(4, R.RSI)),
      load(Code.Mov_r32_rm32, R.EAX, at(0, R.RSI)),
      reg(Code.Test_rm32_r32, R.EAX, R.EAX),
      branch(Code.Je_rel8_64, "found"),
      imm(Code.Add_rm64_imm8, [R.RSI], 8),
      reg(Code.Cmp_r32_rm32, R.EAX, R.R12D),
      branch(Code.Jne_rel8_64, "look"),
      label("found"),
      reg(Code.Xor_r32_rm32, R.EBP, R.EBP),
      label("subleaf"),
      call("visit"),
      reg(Code.Inc_rm32, R.EBP),
      reg(Code.Cmp_r32_rm32, R.EBP, R.R14D),
      branch(Code.Jbe_rel32_64, "subleaf"),
      reg(Code.Inc_rm32, R.R12D),
      reg(Code.Cmp_r32_rm32, R.R12D, R.R13D),
      branch(Code.Jbe_rel32_64, "leaf"),
      label("end"),
      op(Code.Retnq),
    ],
  ];
}

const RANGES = [0, 0x4000_0000, 0x8000_0000] as const;

/** R15: 1 prints every entry between two lines, 0 only makes the hash. */
function walk({ hash }: Places): Routine {
  return [
    "walk",
    [
      reg(Code.Xor_r32_rm32, R.EAX, R.EAX),
      store(Code.Mov_rm64_r64, at(hash), R.RAX),
      ...RANGES.flatMap((range) => [set(R.R12, range), call("range")]),
      op(Code.Retnq),
    ],
  ];
}

function folding({ result }: Places): Routine {
  return [
    "fold",
    [
      reg(Code.Xor_r32_rm32, R.EAX, R.EAX),
      set(R.RSI, result),
      label("next"),
      imm(Code.Rol_rm64_imm8, [R.RAX], 1),
      load(Code.Xor_r64_rm64, R.RAX, at(0, R.RSI)),
      imm(Code.Add_rm64_imm8, [R.RSI], 8),
      imm(Code.Sub_rm32_imm8, [R.ECX], 8),
      branch(Code.Jne_rel8_64, "next"),
      op(Code.Retnq),
    ],
  ];
}

/** Source: Linux include/uapi/linux/reboot.h; TCSBRK, which waits for output: asm-generic/ioctls.h. */
const REBOOT_MAGIC = [0xfee1_dead, 0x2811_1969] as const;
const RESTART = 0x0123_4567;
const TCSBRK = 0x5409;

/** The machine's end where the canary is its init; elsewhere only its own. */
function ending(): Routine {
  return [
    "end",
    [
      ...syscall(SYSCALL.ioctl, 1, TCSBRK, 1),
      ...syscall(SYSCALL.getpid),
      imm(Code.Cmp_rm64_imm8, [R.RAX], 1),
      branch(Code.Jne_rel8_64, "process"),
      ...syscall(SYSCALL.reboot, ...REBOOT_MAGIC, RESTART, 0),
      label("process"),
      ...syscall(SYSCALL.exit, 1),
    ],
  ];
}

const SHOWN_BYTES = 16;

/** Appends ` rip=… bytes=…` for the address in `saved`; bytes only of the canary's own code. */
function where(data: Data, { saved }: Places, codeLimit: number): Routine {
  return [
    "where",
    [
      ...say(data, " rip="),
      ...sayHex(saved, 16),
      load(Code.Mov_r64_rm64, R.RBX, at(saved)),
      imm(Code.Cmp_rm64_imm32, [R.RBX], IMAGE_BASE),
      branch(Code.Jb_rel32_64, "none"),
      imm(Code.Cmp_rm64_imm32, [R.RBX], codeLimit),
      branch(Code.Jae_rel32_64, "none"),
      ...say(data, " bytes="),
      set(R.R12, SHOWN_BYTES),
      label("next"),
      load(Code.Movzx_r32_rm8, R.EAX, at(0, R.RBX)),
      set(R.RCX, 2),
      call("putHex"),
      reg(Code.Inc_rm64, R.RBX),
      reg(Code.Dec_rm64, R.R12),
      branch(Code.Jne_rel8_64, "next"),
      label("none"),
      op(Code.Retnq),
    ],
  ];
}

function sayCurrent({ currentName, currentLength }: Places): Item[] {
  return [
    load(Code.Mov_r64_rm64, R.RSI, at(currentName)),
    load(Code.Mov_r64_rm64, R.RDX, at(currentLength)),
    call("put"),
  ];
}

/** RAX has the wrong result, RDX the right one, RCX the instruction's address. */
function wrongResult(data: Data, places: Places): Routine {
  const { saved } = places;
  return [
    "wrong",
    [
      store(Code.Mov_rm64_r64, at(saved), R.RCX),
      store(Code.Mov_rm64_r64, at(saved + 8), R.RAX),
      store(Code.Mov_rm64_r64, at(saved + 16), R.RDX),
      ...say(data, "canary wrong "),
      ...sayCurrent(places),
      call("where"),
      ...say(data, " got="),
      ...sayHex(saved + 8, 16),
      ...say(data, " expected="),
      ...sayHex(saved + 16, 16),
      call("flush"),
      branch(Code.Jmp_rel32_64, "end"),
    ],
  ];
}

/** Where a signal's context has RIP. Source: Linux `struct ucontext` and `struct sigcontext_64`. */
const CONTEXT_RIP = 40 + 16 * 8;

function signalHandler(data: Data, places: Places): Routine {
  const { saved } = places;
  return [
    "onSignal",
    [
      load(Code.Mov_r64_rm64, R.RAX, at(CONTEXT_RIP, R.RDX)),
      store(Code.Mov_rm64_r64, at(saved), R.RAX),
      store(Code.Mov_rm64_r64, at(saved + 8), R.RDI),
      // What was being written when it happened is dropped.
      set(R.RAX, places.line),
      store(Code.Mov_rm64_r64, at(places.lineEnd), R.RAX),
      ...say(data, "canary signal "),
      ...sayHex(saved + 8, 2),
      ...say(data, " "),
      ...sayCurrent(places),
      call("where"),
      call("flush"),
      branch(Code.Jmp_rel32_64, "end"),
    ],
  ];
}

/** SA_SIGINFO, SA_RESTORER, and SA_RESETHAND: a second fault must not loop. */
const ACTION_FLAGS = 0x8400_0004;
/** SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV. */
const SIGNALS = [4, 5, 7, 8, 11] as const;
const SIGNAL_SET_BYTES = 8;

/** Source: Linux `struct kernel_sigaction`: handler, flags, restorer, mask. */
export function installHandlers({ signalAction }: Places, handler: number): Routine {
  return [
    "install",
    [
      set(R.RAX, handler),
      store(Code.Mov_rm64_r64, at(signalAction), R.RAX),
      set(R.RAX, ACTION_FLAGS),
      store(Code.Mov_rm64_r64, at(signalAction + 8), R.RAX),
      ...SIGNALS.flatMap((signal) =>
        syscall(SYSCALL.rtSigaction, signal, signalAction, 0, SIGNAL_SET_BYTES),
      ),
      op(Code.Retnq),
    ],
  ];
}

/** In the order in which they are placed; `codeLimit`: code ends below it. */
export function routines(data: Data, places: Places, codeLimit: number): Routine[] {
  return [
    ...printing(places),
    checkedCpuid(),
    visitEntry(data, places),
    walkRange(places),
    walk(places),
    folding(places),
    ending(),
    where(data, places, codeLimit),
    wrongResult(data, places),
    signalHandler(data, places),
  ];
}
