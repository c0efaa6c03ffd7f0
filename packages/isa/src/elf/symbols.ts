/** Symbol tables. Source: System V ABI, chapter 5, "Symbol Table"; STT_GNU_IFUNC: GNU gABI. */
import { isAscii } from "node:buffer";
import { checkTable } from "./bytes.ts";
import { attempt, sectionBytes, type ElfFile } from "./file.ts";
import { addressAt, sizeAt, textAt } from "./numbers.ts";
import { SHT_DYNSYM, SHT_SYMTAB, type Section } from "./tables.ts";

export type SymbolKind = "none" | "object" | "function" | "ifunc" | "other";

export interface ElfSymbol {
  readonly name: string;
  readonly kind: SymbolKind;
  /** An address; in a relocatable file an offset in its section. */
  readonly value: number;
  readonly size: number;
  readonly global: boolean;
  /** Section index; 0: not defined here. */
  readonly section: number;
  /** Whether other files may use it, or it is theirs: from .dynsym. */
  readonly dynamic: boolean;
}

const KINDS: Readonly<Record<number, SymbolKind>> = {
  0: "none",
  1: "object",
  2: "function",
  10: "ifunc",
};

const SYMBOL_SIZE = 24;

/** Longer names are cut short: a hostile file can let all its symbols have one of a megabyte. */
const LONGEST_NAME = 4096;

/** Texts by their offsets in a table of them, each up to the next zero byte. */
function namesIn(table: Buffer): (at: number) => string {
  // Nearly always: then all names share the memory of one text.
  const plain = isAscii(table) ? table.toString("latin1") : undefined;
  return (at) => {
    const limit = Math.min(at + LONGEST_NAME, table.length);
    if (plain === undefined) return textAt(table.subarray(0, limit), at);
    const name = plain.slice(at, limit);
    const end = name.indexOf("\0");
    return end === -1 ? name : name.slice(0, end);
  };
}

function symbolAt(
  table: Buffer,
  at: number,
  nameAt: (at: number) => string,
  section: Section,
): ElfSymbol {
  const info = table[at + 4] ?? 0;
  return {
    name: nameAt(table.readUInt32LE(at)),
    kind: KINDS[info & 15] ?? "other",
    global: info >> 4 !== 0,
    section: table.readUInt16LE(at + 6),
    value: addressAt(table, at + 8),
    size: sizeAt(table, at + 16, section.name),
    dynamic: section.type === SHT_DYNSYM,
  };
}

interface SymbolTable {
  readonly count: number;
  symbolAt(index: number): ElfSymbol;
}

/** The symbols of one table by their indices. Throws `BAD_ELF`. */
export function symbolTable(elf: ElfFile, section: Section): SymbolTable {
  checkTable(section.size, section.name);
  const table = sectionBytes(elf, section);
  const strings = elf.sections[section.link];
  const nameAt = namesIn(strings === undefined ? Buffer.alloc(0) : sectionBytes(elf, strings));
  return {
    count: Math.floor(table.length / SYMBOL_SIZE),
    symbolAt: (index) => symbolAt(table, index * SYMBOL_SIZE, nameAt, section),
  };
}

function symbolsOf(elf: ElfFile, section: Section): ElfSymbol[] {
  const table = symbolTable(elf, section);
  const symbols: ElfSymbol[] = [];
  for (let i = 0; i < table.count; i++) symbols.push(table.symbolAt(i));
  return symbols;
}

/** All symbols of .symtab and .dynsym; a table that is damaged is noted and left out. */
export function readSymbols(elf: ElfFile): ElfSymbol[] {
  return elf.sections
    .filter(({ type }) => type === SHT_SYMTAB || type === SHT_DYNSYM)
    .flatMap((section) => attempt(elf.problems, () => symbolsOf(elf, section), []));
}

interface NearestSymbol {
  readonly symbol: ElfSymbol;
  /** Bytes from the symbol's start. */
  readonly offset: number;
}

/**
 * The function that an address lies in: of those that start at or before it, the one that covers
 * it, else the last one, unless that has a size and ends before.
 */
export function nearestSymbol(
  symbols: readonly ElfSymbol[],
  address: number,
): NearestSymbol | undefined {
  let best: ElfSymbol | undefined;
  for (const symbol of symbols) {
    if (symbol.section === 0 || symbol.value > address) continue;
    if (symbol.kind !== "function" && symbol.kind !== "ifunc") continue;
    if (symbol.size > 0 && address >= symbol.value + symbol.size) continue;
    if (best === undefined || symbol.value > best.value) best = symbol;
  }
  return best === undefined ? undefined : { symbol: best, offset: address - best.value };
}
