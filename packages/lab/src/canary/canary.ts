/**
 * The canary: a guest that behaves as real software does. It asks CPUID once which features there
 * are, and from then on executes an instruction of each, checks what it computes, and says so. It
 * is its own init: no libc, no distribution, nothing to mount.
 *
 * What it prints, and what that means: docs/lab.md.
 */
import { programEntries, initramfs } from "@evenkeel/host";
import { Code, Register as R } from "iced-x86";
import {
  assemble,
  at,
  branch,
  call,
  imm,
  label,
  load,
  op,
  reg,
  set,
  store,
  type Item,
} from "./assembler.ts";
import { attempt, rowName } from "./attempt.ts";
import { dataSegment, type Data } from "./data.ts";
import { demand, type Enabled } from "./detect.ts";
import { CODE_BASE, DATA_BASE, elfExecutable } from "./elf.ts";
import { A, B } from "./inputs.ts";
import { integerRows } from "./integer-rows.ts";
import type { CanaryRow } from "./row.ts";
import {
  installHandlers,
  routines,
  say,
  sayHex,
  syscall,
  SYSCALL,
  type Places,
} from "./routines.ts";
import { SUBLEAVES } from "./subleaves.ts";
import { vectorRows } from "./vector-rows.ts";

/** 50 ms between ticks: a resumed guest shows within a second whether it lives. */
const PAUSE_NS = 50_000_000n;

function words64(...words: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(8 * words.length);
  for (const [i, word] of words.entries()) bytes.writeBigUInt64LE(word, 8 * i);
  return bytes;
}

function subleafTable(): Buffer {
  const pairs = [...SUBLEAVES, [0, 0] as const];
  const bytes = Buffer.alloc(8 * pairs.length);
  for (const [i, [leaf, last]] of pairs.entries()) {
    bytes.writeUInt32LE(leaf, 8 * i);
    bytes.writeUInt32LE(last, 8 * i + 4);
  }
  return bytes;
}

/** Everything of the data segment that has an address of its own. */
function layOut(data: Data) {
  const space = (size: number, alignment?: number) => data.add(Buffer.alloc(size), alignment);
  const line = space(512);
  return {
    places: {
      line,
      lineEnd: data.add(words64(BigInt(line))),
      digits: data.text("0123456789abcdef").address,
      subleaves: data.add(subleafTable()),
      registers: space(16),
      hash: space(8),
      result: space(64, 64),
      currentName: data.add(words64(BigInt(line))),
      currentLength: space(8),
      saved: space(24),
      signalAction: space(32),
    } satisfies Places,
    operands: { a: data.add(A, 64), b: data.add(B, 64) },
    enabled: { xcr0: space(8), hwcap2: space(8) } satisfies Enabled,
    lastHash: space(8),
    tick: space(8),
    pause: data.add(words64(0n, PAUSE_NS)),
    scratch: space(64, 64),
    area: space(4096, 64),
  };
}

type Layout = ReturnType<typeof layOut>;

/** `AT_HWCAP2`. Source: Linux include/uapi/linux/auxvec.h. */
const AT_HWCAP2 = 26;
const OSXSAVE_BIT = 27;

/** Finds AT_HWCAP2 behind the environment, and reads XCR0 where the kernel allows. */
function readEnabled({ enabled }: Layout): Item[] {
  return [
    // Below the return address: argc, the arguments, a zero, the environment, a zero, the vector.
    reg(Code.Mov_r64_rm64, R.RSI, R.RSP),
    imm(Code.Add_rm64_imm8, [R.RSI], 8),
    load(Code.Mov_r64_rm64, R.RAX, at(0, R.RSI)),
    imm(Code.Add_rm64_imm8, [R.RAX], 2),
    imm(Code.Shl_rm64_imm8, [R.RAX], 3),
    reg(Code.Add_r64_rm64, R.RSI, R.RAX),
    label("environment"),
    load(Code.Mov_r64_rm64, R.RAX, at(0, R.RSI)),
    imm(Code.Add_rm64_imm8, [R.RSI], 8),
    reg(Code.Test_rm64_r64, R.RAX, R.RAX),
    branch(Code.Jne_rel8_64, "environment"),
    label("vector"),
    load(Code.Mov_r64_rm64, R.RAX, at(0, R.RSI)),
    reg(Code.Test_rm64_r64, R.RAX, R.RAX),
    branch(Code.Je_rel8_64, "state"),
    load(Code.Mov_r64_rm64, R.RDX, at(8, R.RSI)),
    imm(Code.Add_rm64_imm8, [R.RSI], 16),
    imm(Code.Cmp_rm64_imm8, [R.RAX], AT_HWCAP2),
    branch(Code.Jne_rel8_64, "vector"),
    store(Code.Mov_rm64_r64, at(enabled.hwcap2), R.RDX),
    label("state"),
    imm(Code.Mov_r32_imm32, [R.EAX], 1),
    reg(Code.Xor_r32_rm32, R.ECX, R.ECX),
    call("cpuid"),
    imm(Code.Bt_rm32_imm8, [R.ECX], OSXSAVE_BIT),
    branch(Code.Jae_rel8_64, "done"),
    reg(Code.Xor_r32_rm32, R.ECX, R.ECX),
    op(Code.Xgetbv),
    store(Code.Mov_rm32_r32, at(enabled.xcr0), R.EAX),
    label("done"),
    op(Code.Retnq),
  ];
}

/** Prints CPUID where it is not what it was: at start, and where a resume changed it. */
function reportChange(data: Data, { places, lastHash, enabled }: Layout): Item[] {
  return [
    set(R.R15, 0),
    call("walk"),
    load(Code.Mov_r64_rm64, R.RAX, at(places.hash)),
    load(Code.Cmp_r64_rm64, R.RAX, at(lastHash)),
    branch(Code.Je_rel32_64, "same"),
    store(Code.Mov_rm64_r64, at(lastHash), R.RAX),
    ...say(data, "canary cpuid begin xcr0="),
    ...sayHex(enabled.xcr0, 16),
    call("flush"),
    set(R.R15, 1),
    call("walk"),
    ...say(data, "canary cpuid end"),
    call("flush"),
    label("same"),
    op(Code.Retnq),
  ];
}

/** Sets the row's flag and says so where its feature is there. */
function detection(row: CanaryRow, flag: number, data: Data, { enabled }: Layout): Item[] {
  return [
    ...demand(row, enabled),
    imm(Code.Mov_r32_imm32, [R.EAX], 1),
    store(Code.Mov_rm8_r8, at(flag), R.AL),
    ...say(data, `canary feature ${rowName(row)}`),
    call("flush"),
    label("no"),
    op(Code.Retnq),
  ];
}

function tickLoop(data: Data, flags: readonly number[], { tick, pause, places }: Layout): Item[] {
  return [
    label("tick"),
    load(Code.Mov_r64_rm64, R.RAX, at(tick)),
    reg(Code.Inc_rm64, R.RAX),
    store(Code.Mov_rm64_r64, at(tick), R.RAX),
    call("reportChange"),
    ...flags.flatMap((flag, i) => [
      load(Code.Movzx_r32_rm8, R.EAX, at(flag)),
      reg(Code.Test_rm32_r32, R.EAX, R.EAX),
      branch(Code.Je_rel8_64, `next${i}`),
      call(`attempt${i}`),
      label(`next${i}`),
    ]),
    ...say(data, "canary tick "),
    ...sayHex(tick, 8),
    ...say(data, " cpuid="),
    ...sayHex(places.hash, 16),
    call("flush"),
    ...syscall(SYSCALL.nanosleep, pause, 0),
    branch(Code.Jmp_rel32_64, "tick"),
  ];
}

/** Code ends below this; the data segment begins there. */
const CODE_LIMIT = DATA_BASE;

/** The rows that the canary tries, in the order in which it does. */
export function canaryRows(scratch = DATA_BASE, area = DATA_BASE): readonly CanaryRow[] {
  return [...integerRows(scratch), ...vectorRows(area)];
}

/** Builds the program: the same bytes every time. */
export function canaryProgram(): Buffer {
  const data = dataSegment();
  const layout = layOut(data);
  const rows = canaryRows(layout.scratch, layout.area);
  const flags = rows.map(() => data.add(Buffer.alloc(1), 1));
  const placed = new Map<string, number>();
  const parts: Uint8Array[] = [];
  let end = CODE_BASE;
  const place = (name: string, bytes: (address: number) => Uint8Array) => {
    const code = bytes(end);
    placed.set(name, end);
    parts.push(code);
    end += code.length;
  };
  const routine = (name: string, items: readonly Item[]) =>
    place(name, (address) => assemble(items, address, placed));

  for (const [name, items] of routines(data, layout.places, CODE_LIMIT)) routine(name, items);
  routine(...installHandlers(layout.places, placed.get("onSignal") ?? 0));
  routine("readEnabled", readEnabled(layout));
  routine("reportChange", reportChange(data, layout));
  for (const [i, row] of rows.entries()) {
    routine(`detect${i}`, detection(row, flags[i] ?? 0, data, layout));
    place(`attempt${i}`, (address) =>
      attempt(row, data, layout.places, layout.operands, address, placed),
    );
  }
  routine("start", [
    call("readEnabled"),
    call("install"),
    call("reportChange"),
    ...rows.map((_, i) => call(`detect${i}`)),
    ...say(data, "canary ready"),
    call("flush"),
    ...tickLoop(data, flags, layout),
  ]);
  if (end > CODE_LIMIT) throw new Error("the canary's code does not fit below its data");
  const code = Buffer.concat(parts);
  return elfExecutable({ code, entry: placed.get("start") ?? 0, data: data.bytes() });
}

/** The canary as an initramfs. */
export function canaryInitramfs(): Buffer {
  return initramfs(programEntries(canaryProgram()));
}
