/** Texts in a file's data that give known dispatchers away where there are no symbols. */
import { READ_LIMIT } from "../elf/bytes.ts";
import { attempt, type ElfFile } from "../elf/file.ts";
import { SHT_NOBITS } from "../elf/tables.ts";
import { DISPATCHERS, type Dispatcher } from "./dispatchers.ts";

/** Read this much at once; texts that lie across the border of two parts are found in the second. */
const PART = 16 * 1024 * 1024;
const LONGEST = 64;

/** glibc has its tunables' names in a table that is relocated. */
const TEXTS = /^\.(?:rodata|data\.rel\.ro|go\.buildinfo)/;

interface Span {
  readonly address: number;
  readonly offset: number;
  readonly size: number;
}

function readOnlyData({ sections, source }: ElfFile): Span[] {
  return sections.filter(
    ({ allocated, executable, type, offset, size, name }) =>
      allocated &&
      !executable &&
      type !== SHT_NOBITS &&
      TEXTS.test(name) &&
      size <= READ_LIMIT &&
      offset + size <= source.size,
  );
}

/** Dispatchers of `candidates` whose texts stand in the file. */
export function dispatchersByText(
  elf: ElfFile,
  candidates: readonly Dispatcher[] = DISPATCHERS,
): Dispatcher[] {
  const wanted = candidates.filter(({ texts = [] }) => texts.length > 0);
  const found = new Set<Dispatcher>();
  for (const { offset, size } of readOnlyData(elf)) {
    for (let at = 0; at < size; at += PART) {
      const length = Math.min(PART + LONGEST, size - at);
      const read = () => elf.source.read(offset + at, length, ".rodata");
      const bytes = attempt(elf.problems, read, Buffer.alloc(0));
      for (const dispatcher of wanted) {
        if (found.has(dispatcher)) continue;
        if (dispatcher.texts?.some((text) => bytes.includes(text, 0, "latin1")) === true) {
          found.add(dispatcher);
        }
      }
    }
  }
  return [...found];
}

/** The addresses at which a text stands in read-only data. */
export function addressesOfText(elf: ElfFile, text: string): number[] {
  const found: number[] = [];
  for (const { offset, size, address } of readOnlyData(elf)) {
    for (let at = 0; at < size; at += PART) {
      const length = Math.min(PART + LONGEST, size - at);
      const read = () => elf.source.read(offset + at, length, ".rodata");
      const bytes = attempt(elf.problems, read, Buffer.alloc(0));
      for (let i = bytes.indexOf(text, 0, "latin1"); i !== -1 && i < PART;) {
        found.push(address + at + i);
        i = bytes.indexOf(text, i + 1, "latin1");
      }
    }
  }
  return found;
}
