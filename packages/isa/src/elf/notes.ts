/**
 * Notes, and the x86 ISA level that a file declares.
 * Source: System V ABI, "Note Section"; x86-64 psABI, "Program Property".
 */
import { attempt, sectionBytes, type ElfFile } from "./file.ts";
import { textAt } from "./numbers.ts";
import { PT_GNU_PROPERTY, PT_NOTE, SHT_NOTE } from "./tables.ts";

export interface ElfNote {
  /** Without its zero byte: `GNU`, `CORE`, `LINUX`. */
  readonly name: string;
  readonly type: number;
  readonly bytes: Buffer;
}

function padded(size: number, align: number): number {
  return Math.ceil(size / align) * align;
}

/** Notes one after another; a last one that is cut short is left out. */
function parseNotes(bytes: Buffer, align: 4 | 8 = 4): ElfNote[] {
  const notes: ElfNote[] = [];
  for (let at = 0; at + 12 <= bytes.length;) {
    const [nameSize, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    const start = at + padded(12 + nameSize, align);
    if (start + size > bytes.length) break;
    notes.push({
      name: textAt(bytes.subarray(at + 12, at + 12 + nameSize), 0),
      type: bytes.readUInt32LE(at + 8),
      bytes: bytes.subarray(start, start + size),
    });
    at = start + padded(size, align);
  }
  return notes;
}

/** The notes of all note segments, else of all note sections. */
export function readNotes(elf: ElfFile): ElfNote[] {
  const segments = elf.segments.filter(({ type }) => type === PT_NOTE);
  const parts = segments.map((s) => () => elf.source.read(s.offset, s.fileSize, "note segment"));
  const sections = elf.sections.filter(({ type }) => type === SHT_NOTE);
  const all = segments.length > 0 ? parts : sections.map((s) => () => sectionBytes(elf, s));
  return all.flatMap((read) => parseNotes(attempt(elf.problems, read, Buffer.alloc(0))));
}

const NT_GNU_PROPERTY_TYPE_0 = 5;
const X86_ISA_1_NEEDED = 0xc000_8002;
const X86_ISA_1_USED = 0xc001_0002;

/** What a file declares about the x86-64 levels, as the names of levels. */
export interface DeclaredLevels {
  /** Without these ld.so, or the program itself, refuses to start. */
  readonly needed: readonly string[];
  /** Used by some code in it, perhaps after asking. */
  readonly used: readonly string[];
}

/** x86-64-baseline, -v2, -v3, -v4 in the order of their bits. */
function levelsOf(mask: number): string[] {
  return ["x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4"].filter((_, bit) => mask & (1 << bit));
}

function propertyBytes(elf: ElfFile): Buffer {
  const segment = elf.segments.find(({ type }) => type === PT_GNU_PROPERTY);
  const section = elf.sections.find(({ name }) => name === ".note.gnu.property");
  const read =
    segment === undefined
      ? () => (section === undefined ? Buffer.alloc(0) : sectionBytes(elf, section))
      : () => elf.source.read(segment.offset, segment.fileSize, ".note.gnu.property");
  return attempt(elf.problems, read, Buffer.alloc(0));
}

/**
 * Go programs keep the settings they were built with, and check their level at start.
 * Source: Go's debug/buildinfo; runtime/asm_amd64.s, "can only be run on AMD64 processors with".
 */
function goLevels(elf: ElfFile): string[] {
  const section = elf.sections.find(({ name }) => name === ".go.buildinfo");
  if (section === undefined) return [];
  const bytes = attempt(elf.problems, () => sectionBytes(elf, section), Buffer.alloc(0));
  const version = /GOAMD64=v([1-4])/.exec(bytes.toString("latin1"))?.[1];
  return version === undefined ? [] : levelsOf((1 << Number(version)) - 1);
}

export function readDeclaredLevels(elf: ElfFile): DeclaredLevels {
  let [needed, used] = [0, 0];
  for (const { name, type, bytes } of parseNotes(propertyBytes(elf), 8)) {
    if (name !== "GNU" || type !== NT_GNU_PROPERTY_TYPE_0) continue;
    for (let at = 0; at + 12 <= bytes.length;) {
      const [property, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
      if (property === X86_ISA_1_NEEDED) needed |= bytes.readUInt32LE(at + 8);
      if (property === X86_ISA_1_USED) used |= bytes.readUInt32LE(at + 8);
      at += 8 + padded(size, 8);
    }
  }
  const levels = new Set([...levelsOf(needed), ...goLevels(elf)]);
  return { needed: [...levels].toSorted(), used: levelsOf(used) };
}
