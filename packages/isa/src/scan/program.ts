/** A file's code with everything that says where its functions are. */
import {
  isMarkedProgram,
  R_X86_64_IRELATIVE,
  readConstructors,
  readRelativePlaces,
  readRelocations,
  type Relocation,
} from "../elf/dynamic.ts";
import type { ElfFile } from "../elf/file.ts";
import { readFrames } from "../elf/frames.ts";
import { readGoFunctions } from "../elf/go-functions.ts";
import { imageOf, relocatedPairs, type Image } from "../elf/image.ts";
import { readSymbols, type ElfSymbol } from "../elf/symbols.ts";
import { dispatcherOf } from "./dispatchers.ts";
import { knownFunctions } from "./functions.ts";
import { layoutOf, regionAt, stubsOf, type Layout, type Region } from "./regions.ts";
import type { FileScan } from "./result.ts";
import { readCode, type ReadCode } from "./walk.ts";

export interface Program {
  readonly elf: ElfFile;
  readonly kind: FileScan["kind"];
  /** Whether addresses in the code mean something: not before an object file is linked. */
  readonly linked: boolean;
  readonly layout: Layout;
  /** Those that belong to known dispatchers: of all there may be a million. */
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

/** Addresses of code that the file's data holds: tables of functions, vtables. */
function pointersIn({ pointers }: Image, regions: readonly Region[]): number[] {
  const found = new Set<number>();
  for (const value of pointers.values) {
    if (regionAt(regions, value) !== undefined) found.add(value);
  }
  return [...found];
}

const NO_RELOCATIONS = { named: [], relative: [] };

/** Throws `BAD_ELF` only where nothing can be made of the file. */
export function readProgram(elf: ElfFile, onProgress?: (bytes: number) => void): Program {
  const kind = kindOf(elf);
  const linked = elf.header.type !== "relocatable";
  const layout = layoutOf(elf);
  const { regions } = layout;
  const all = readSymbols(elf);
  const symbols = all.filter(({ name }) => dispatcherOf(name) !== undefined);
  const { named: relocations, relative } = linked ? readRelocations(elf) : NO_RELOCATIONS;
  const pairs = relocatedPairs({ named: relocations, relative });
  const chosen = new Set(
    relocations.filter(({ type }) => type === R_X86_64_IRELATIVE).map(({ place }) => place),
  );
  const image = linked ? imageOf(elf, pairs, readRelativePlaces(elf), chosen) : undefined;
  const constructors = image === undefined ? [] : readConstructors(elf, image);
  const { entry } = elf.header;
  const known = knownFunctions(layout, {
    symbols: all,
    frames: linked ? readFrames(elf) : [],
    named: readGoFunctions(elf),
    starts: linked && entry !== 0 ? [entry, ...constructors] : constructors,
    stubs: stubsOf(elf),
  });
  const code = readCode(regions, known, {
    // Kernels live at the top of the address space, which is negative here.
    kernel: kind === "kernel module" || regions.some(({ start }) => start < 0),
    image,
    pointers: image === undefined ? [] : pointersIn(image, regions),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  return { elf, kind, linked, layout, symbols, relocations, constructors, code, image };
}
