/** Texts in a file's data that give known dispatchers away where there are no symbols. */
import { READ_LIMIT } from "../elf/bytes.ts";
import { attempt, type ElfFile } from "../elf/file.ts";
import { SHT_NOBITS } from "../elf/tables.ts";
import { DISPATCHERS, type Dispatcher } from "./dispatchers.ts";
import { textFinder } from "./find-texts.ts";

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

/** Calls `found` with each address at which one of the texts stands in read-only data. */
function searchTexts(
  elf: ElfFile,
  texts: readonly string[],
  found: (number: number, address: number) => void,
): void {
  if (texts.length === 0) return;
  const find = textFinder(texts);
  for (const { offset, size, address } of readOnlyData(elf)) {
    for (let at = 0; at < size; at += PART) {
      const length = Math.min(PART + LONGEST, size - at);
      const read = () => elf.source.read(offset + at, length, ".rodata");
      const bytes = attempt(elf.problems, read, Buffer.alloc(0));
      find(bytes, (number, i) => {
        if (i < PART) found(number, address + at + i);
      });
    }
  }
}

/** Dispatchers of `candidates` whose texts stand in the file. */
export function dispatchersByText(
  elf: ElfFile,
  candidates: readonly Dispatcher[] = DISPATCHERS,
): Dispatcher[] {
  const wanted = candidates.flatMap((d) => (d.texts ?? []).map((text) => [text, d] as const));
  const found = new Set<Dispatcher>();
  searchTexts(
    elf,
    wanted.map(([text]) => text),
    (number) => {
      const dispatcher = wanted[number]?.[1];
      if (dispatcher !== undefined) found.add(dispatcher);
    },
  );
  return candidates.filter((d) => found.has(d));
}

/** The addresses at which a text stands in read-only data. */
export function addressesOfText(elf: ElfFile, text: string): number[] {
  const found: number[] = [];
  searchTexts(elf, [text], (_, address) => found.push(address));
  return found;
}
