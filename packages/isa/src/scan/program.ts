/** A file's code with everything that says where its functions are. */
import {
  isMarkedProgram,
  readConstructors,
  readRelativePlaces,
  readRelocations,
  type Relocation,
} from "../elf/dynamic.ts";
import { attempt, type ElfFile } from "../elf/file.ts";
import { readFrames } from "../elf/frames.ts";
import { readGoFunctions } from "../elf/go-functions.ts";
import { imageOf, relocatedPointers, type Image } from "../elf/image.ts";
import { readSymbols, type ElfSymbol } from "../elf/symbols.ts";
import { PT_LOAD, type Segment } from "../elf/tables.ts";
import { knownFunctions } from "./functions.ts";
import { layoutOf, regionAt, type Layout, type Region } from "./regions.ts";
import type { FileScan } from "./result.ts";
import { readCode, type ReadCode } from "./walk.ts";

export interface Program {
  readonly elf: ElfFile;
  readonly kind: FileScan["kind"];
  /** Whether addresses in the code mean something: not before an object file is linked. */
  readonly linked: boolean;
  readonly layout: Layout;
  readonly symbols: readonly ElfSymbol[];
  readonly relocations: readonly Relocation[];
  readonly constructors: readonly number[];
  readonly code: ReadCode;
  /** Undefined before the file is linked. */
  readonly image: Image | undefined;
}

function kindOf(elf: ElfFile): FileScan["kind"] {
  const { type } = elf.header;
  if (type === "relocatable") {
    return elf.sections.some(({ name }) => name === ".modinfo") ? "kernel module" : "object";
  }
  return type === "executable" || isMarkedProgram(elf) ? "executable" : "library";
}

/** Words of a segment's data that are addresses of code. */
function codeAddressesIn(elf: ElfFile, segment: Segment, regions: readonly Region[]): number[] {
  const found: number[] = [];
  for (let at = 0; at < segment.fileSize; at += PART) {
    const size = Math.min(PART, segment.fileSize - at);
    const read = () => elf.source.read(segment.offset + at, size, "data segment");
    const bytes = attempt(elf.problems, read, Buffer.alloc(0));
    for (let word = -(segment.address + at) & 7; word + 8 <= bytes.length; word += 8) {
      // Fixed addresses are below 4 GiB, all but a kernel's.
      if (bytes.readInt32LE(word + 4) !== 0) continue;
      const address = bytes.readUInt32LE(word);
      if (address !== 0 && regionAt(regions, address) !== undefined) found.push(address);
    }
  }
  return found;
}

const PART = 1024 * 1024;

/** Addresses of code that the file's data holds: tables of functions, vtables. */
function pointersIn(
  elf: ElfFile,
  moved: ReadonlyMap<number, number>,
  packed: readonly number[],
  image: Image,
  regions: readonly Region[],
): number[] {
  const isCode = (address: number) => regionAt(regions, address) !== undefined;
  const relocated = [...moved.values()].filter(isCode);
  const inPlace = packed.flatMap((place) => image.pointerAt(place) ?? []).filter(isCode);
  const data = elf.segments.filter(({ type, executable }) => type === PT_LOAD && !executable);
  const fixed = image.fixed ? data.flatMap((s) => codeAddressesIn(elf, s, regions)) : [];
  return [...relocated, ...inPlace, ...fixed];
}

/** Throws `BAD_ELF` only where nothing can be made of the file. */
export function readProgram(elf: ElfFile, onProgress?: (bytes: number) => void): Program {
  const kind = kindOf(elf);
  const linked = elf.header.type !== "relocatable";
  const layout = layoutOf(elf);
  const { regions } = layout;
  const symbols = readSymbols(elf);
  const relocations = linked ? readRelocations(elf) : [];
  const packed = linked ? readRelativePlaces(elf) : [];
  const moved = relocatedPointers(relocations);
  const image = linked ? imageOf(elf, moved, new Set(packed)) : undefined;
  const constructors = linked ? readConstructors(elf, relocations) : [];
  const { entry } = elf.header;
  const known = knownFunctions(layout, {
    symbols,
    frames: linked ? readFrames(elf) : [],
    named: readGoFunctions(elf),
    starts: linked && entry !== 0 ? [entry, ...constructors] : constructors,
  });
  const code = readCode(regions, known, {
    // Kernels live at the top of the address space, which is negative here.
    kernel: kind === "kernel module" || regions.some(({ start }) => start < 0),
    image,
    pointers: image === undefined ? [] : pointersIn(elf, moved, packed, image, regions),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  return { elf, kind, linked, layout, symbols, relocations, constructors, code, image };
}
