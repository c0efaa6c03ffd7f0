/** Follows the paths through a function and notes what its instructions need and name. */
import { Flow } from "./codes.ts";
import { CERTAIN, LIKELY, type GradeIndex } from "./function-code.ts";
import type { Reading } from "./reading.ts";
import { noteIced, noteShort } from "./references.ts";
import { SECOND_MAP } from "./short-forms.ts";
import { shortFlow } from "./short-flow.ts";
import { decodeShort, short } from "./short.ts";
import { isZeros } from "./stretches.ts";
import { credibleCases, readCases } from "./switch-cases.ts";

/** The offset to which a near branch that ends at `next` leads. */
function targetOf(bytes: Buffer, next: number, wide: boolean): number {
  return next + (wide ? bytes.readInt32LE(next - 4) : bytes.readInt8(next - 1));
}

/** No path goes on. */
const NOWHERE = -1;

/** Where the path goes on after the instruction before `next`. */
function goOn(reading: Reading, flow: Flow, next: number): number {
  const { bytes } = reading;
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- the rest goes on
  switch (flow) {
    case Flow.branch8:
    case Flow.branch32:
      reading.onStraight = false;
      reading.branch(targetOf(bytes, next, flow === Flow.branch32));
      return next;
    case Flow.jump8:
    case Flow.jump32: {
      const target = targetOf(bytes, next, flow === Flow.jump32);
      if (reading.isInside(target)) return target;
      reading.leave(target);
      return NOWHERE;
    }
    case Flow.call32: {
      const target = targetOf(bytes, next, true);
      // A call to the next instruction only reads the instruction pointer.
      if (target !== next) reading.leave(target);
      return next;
    }
    case Flow.cpuid:
      reading.cpuid = true;
      return next;
    case Flow.jump:
      readCases(reading, next);
      return NOWHERE;
    case Flow.halt:
      return reading.kernel ? next : NOWHERE;
    case Flow.end:
    case Flow.invalid:
      return NOWHERE;
    default:
      return next;
  }
}

function endsAnyway(flow: Flow): boolean {
  return flow === Flow.call || flow === Flow.call32 || flow === Flow.nop;
}

/** What a scan wants to know of an opcode beside what it names. */
const Trait = { none: 0, compares: 1, float: 2, scalarFloat: 3 } as const;
const TRAITS = new Uint8Array(512);
for (const opcode of [0x3c, 0x3d, 0x80, 0x81, 0x83]) TRAITS[opcode] = Trait.compares;
// ADDSS to MAXPD, and moves of single numbers: code built with AVX has other forms of them.
for (let opcode = 0x58; opcode <= 0x5f; opcode++) TRAITS[SECOND_MAP + opcode] = Trait.float;
for (const opcode of [0x10, 0x11]) TRAITS[SECOND_MAP + opcode] = Trait.scalarFloat;

/** Remembers how many cases a switch has (`cmp $7, %eax; ja default`), and counts floats. */
function noteTraits(reading: Reading): void {
  const { opcode, modrm, immediate, prefix } = short;
  const trait = TRAITS[opcode];
  if (trait === Trait.none) return;
  if (trait === Trait.compares) {
    if (opcode >= 0x80 && ((modrm >> 3) & 7) !== 7) return;
    reading.compared = immediate > 0 ? immediate : -1;
  } else if (trait === Trait.float || prefix >= 2) reading.plainFloats += 1;
}

/** Reads an instruction of iced's and returns what comes after it; counts what it needs. */
function readIced(reading: Reading, at: number, grade: GradeIndex): Flow {
  const flow = reading.decodeIced(at);
  const { instruction } = reading.iced;
  reading.broken ||= flow === Flow.invalid || (flow === Flow.odd && !reading.kernel);
  if (flow === Flow.invalid) {
    if (grade === CERTAIN) reading.unknownAt ??= at - reading.from;
    return flow;
  }
  const { code, length } = instruction;
  // What the function's end cuts in two belongs to whatever is behind it.
  if (at + length > reading.to) return flow;
  noteIced(reading, instruction, at);
  if (reading.table.needs[code] !== 0) {
    reading.count(code, grade);
    if (reading.onStraight) reading.straight.add(code);
  }
  return flow;
}

/** From an offset until the path ends or meets what was read. */
function descend(reading: Reading, start: number, grade: GradeIndex): void {
  const { bytes, seen, from, to } = reading;
  let at = start;
  let last: Flow = Flow.next;
  reading.compared = -1;
  while (at >= 0 && at < to && seen[at - from] !== 1) {
    if (isZeros(bytes, at)) {
      reading.broken = true;
      return;
    }
    let length = decodeShort(bytes, at);
    if (length > 0) {
      if (at + length > to) return;
      last = shortFlow();
      if (short.memory || reading.fixed) noteShort(reading, at);
      noteTraits(reading);
    } else {
      last = readIced(reading, at, grade);
      ({ length } = reading.iced.instruction);
      if (last === Flow.invalid || at + length > to) return;
    }
    reading.mark(at, length);
    reading.instructions += 1;
    at += length;
    if (at > reading.extent) reading.extent = at;
    if (last !== Flow.next) at = goOn(reading, last, at);
  }
  // After a call that does not return, or padding, nothing runs into the next function.
  if (at === to && !endsAnyway(last)) reading.leave(at);
}

function drain(reading: Reading, grade: GradeIndex): void {
  for (let at = reading.work.pop(); at !== undefined; at = reading.work.pop()) {
    descend(reading, at, grade);
    reading.onStraight = false;
  }
}

/** Reads what was queued, then what computed jumps lead to, which is less sure. */
export function drainAll(reading: Reading, grade: GradeIndex): void {
  drain(reading, grade);
  for (let found = reading.switched.pop(); found !== undefined; found = reading.switched.pop()) {
    for (const offset of credibleCases(reading, found)) reading.work.push(offset);
    drain(reading, Math.max(grade, LIKELY) as GradeIndex);
  }
}
