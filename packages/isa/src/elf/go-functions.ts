/**
 * Functions of Go programs, which keep their names and bounds for stack traces even when
 * stripped. Source: Go's internal/abi/symtab.go and debug/gosym/pclntab.go, since Go 1.18.
 */
import type { ElfFile } from "./file.ts";
import { attempt, sectionBytes } from "./file.ts";
import type { Range } from "./frames.ts";
import { addressAt, sizeAt, textAt } from "./numbers.ts";

const GO_1_18 = 0xffff_fff0;
const GO_1_20 = 0xffff_fff1;
const HEADER_SIZE = 72;

export interface GoFunction extends Range {
  readonly name: string;
}

/** Throws `BAD_ELF` where the header's sizes make no sense. */
function parseTable(bytes: Buffer, textAddress: number): GoFunction[] {
  const where = ".gopclntab";
  const magic = bytes.length < HEADER_SIZE ? 0 : bytes.readUInt32LE(0);
  if ((magic !== GO_1_18 && magic !== GO_1_20) || bytes[7] !== 8) return [];
  const count = sizeAt(bytes, 8, where);
  // Since Go 1.26 the start of the text stands only in the program, as zero here.
  const text = addressAt(bytes, 24) || textAddress;
  const names = sizeAt(bytes, 32, where);
  const table = sizeAt(bytes, 64, where);
  const functions: GoFunction[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * 8;
    if (at + 12 > bytes.length) break;
    const info = table + bytes.readUInt32LE(at + 4);
    if (info + 8 > bytes.length) break;
    functions.push({
      name: textAt(bytes, names + bytes.readInt32LE(info + 4)),
      start: text + bytes.readUInt32LE(at),
      end: text + bytes.readUInt32LE(at + 8),
    });
  }
  return functions;
}

/** Empty for programs that are not Go's, or of a Go before 1.18. */
export function readGoFunctions(elf: ElfFile): GoFunction[] {
  const section = elf.sections.find(({ name }) => name.endsWith(".gopclntab"));
  if (section === undefined) return [];
  const text = elf.sections.find(({ name }) => name === ".text")?.address ?? 0;
  return attempt(elf.problems, () => parseTable(sectionBytes(elf, section), text), []);
}
