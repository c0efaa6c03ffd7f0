/** The file that a program was loaded from: from an instruction pointer to bytes and a name. */
import { addressOfOffset, bytesAtAddress, type ElfFile } from "../elf/file.ts";
import { readFrames } from "../elf/frames.ts";
import { readNotes } from "../elf/notes.ts";
import { hexAddress } from "../elf/numbers.ts";
import { nearestSymbol, readSymbols } from "../elf/symbols.ts";
import { PT_LOAD, type Segment } from "../elf/tables.ts";
import { isBoundary, LONGEST_INSTRUCTION } from "./instruction.ts";
import type { CrashSite, Mapping } from "./site.ts";
import { plainName } from "./symbol-name.ts";

export interface Binary {
  /** As a kernel log names it: the last part of its path. */
  readonly name: string;
  readonly elf: ElfFile;
}

export interface Located {
  /** As the file's own tables count: what objdump shows. */
  readonly address: number;
  readonly bytes: Buffer | undefined;
  /** `function+0x12`; undefined in stripped files. */
  readonly symbol: string | undefined;
  /** False where the address is not in a segment with code. */
  readonly inCode: boolean;
  /** False where the function's instructions do not begin at the address; undefined: not known. */
  readonly onBoundary: boolean | undefined;
  /** Why the place may be wrong. */
  readonly doubts: readonly string[];
}

const PAGE = 4096;
const floor = (value: number) => Math.floor(value / PAGE) * PAGE;
const ceil = (value: number) => Math.ceil(value / PAGE) * PAGE;

function mappedSize({ address, fileSize }: Segment): number {
  return ceil(address + fileSize) - floor(address);
}

/** Whether the file has a code segment of exactly the size that was mapped. */
export function fitsMapping({ elf }: Binary, { size }: Mapping): boolean {
  return elf.segments.some((s) => s.type === PT_LOAD && s.executable && mappedSize(s) === size);
}

interface Place {
  readonly address: number;
  readonly doubts: readonly string[];
}

/** The kernel's log has the start and size of the mapping that was hit: one of the segments. */
function byMapping(
  elf: ElfFile,
  ip: number,
  start: number,
  size: number | undefined,
): Place | undefined {
  const segments = elf.segments.filter((s) => s.type === PT_LOAD && s.executable);
  const fixed = elf.header.type === "executable";
  const fits = segments.find(
    (s) => mappedSize(s) === size && (!fixed || floor(s.address) === start),
  );
  if (fits !== undefined) return { address: ip - start + floor(fits.address), doubts: [] };
  const segment = fixed
    ? segments.find((s) => ip >= floor(s.address) && ip < ceil(s.address + s.fileSize))
    : segments[0];
  if (segment === undefined) return undefined;
  const [is, was] = [mappedSize(segment), size ?? 0].map((n) => `0x${n.toString(16)}`);
  const doubt = `its code is ${is} bytes in memory, the report says ${was}: probably another build`;
  return { address: fixed ? ip : ip - start + floor(segment.address), doubts: [doubt] };
}

/** systemd and the JVM count from where the file is loaded: its lowest page. */
function byLoadOffset(elf: ElfFile, offset: number): Place | undefined {
  const loaded = elf.segments.filter(({ type }) => type === PT_LOAD).map((s) => floor(s.address));
  return loaded.length === 0 ? undefined : { address: Math.min(...loaded) + offset, doubts: [] };
}

function placeIn(elf: ElfFile, ip: number | undefined, mapping: Mapping | undefined) {
  const { fileOffset, loadOffset, start, size } = mapping ?? {};
  if (fileOffset !== undefined) {
    const address = addressOfOffset(elf, fileOffset);
    return address === undefined ? undefined : { address, doubts: [] };
  }
  if (loadOffset !== undefined) return byLoadOffset(elf, loadOffset);
  if (ip === undefined) return undefined;
  if (start !== undefined) return byMapping(elf, ip, start, size);
  // Without a mapping only a program that is loaded where it says can be looked into.
  return elf.header.type === "executable" ? { address: ip, doubts: [] } : undefined;
}

/** A function that is decoded from its start to the address must not be longer. */
const FARTHEST = 256 * 1024;

/** Whether the function's code, decoded from its start, has an instruction at the address. */
function boundaryAt(elf: ElfFile, address: number, start: number | undefined): boolean | undefined {
  if (start === undefined || address - start > FARTHEST) return undefined;
  const length = address - start + LONGEST_INSTRUCTION;
  const bytes = bytesAtAddress(elf, start, length, "code of the function");
  return bytes === undefined ? undefined : isBoundary(bytes, address - start);
}

/** Tables of a large program have hundreds of thousands of rows: they are read once. */
function once<T>(read: (elf: ElfFile) => T): (elf: ElfFile) => T {
  const known = new WeakMap<ElfFile, T>();
  return (elf) => {
    const value = known.get(elf) ?? read(elf);
    known.set(elf, value);
    return value;
  };
}

const symbolsIn = once(readSymbols);
const framesIn = once(readFrames);

/** Where a site is in a file; undefined where the report does not say enough or it is not there. */
export function locate({ ip, mapping }: CrashSite, { elf }: Binary): Located | undefined {
  const place = placeIn(elf, ip, mapping);
  if (place === undefined) return undefined;
  const { address, doubts } = place;
  const segment = elf.segments.find(
    (s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.fileSize,
  );
  if (segment === undefined) return undefined;
  const nearest = nearestSymbol(symbolsIn(elf), address);
  const frame = framesIn(elf).find(({ start, end }) => address >= start && address < end);
  const start = frame?.start ?? (nearest?.symbol.size === 0 ? undefined : nearest?.symbol.value);
  return {
    address,
    bytes: bytesAtAddress(elf, address, 64, `code at ${hexAddress(address)}`),
    symbol:
      nearest === undefined
        ? undefined
        : `${plainName(nearest.symbol.name)}+0x${nearest.offset.toString(16)}`,
    inCode: segment.executable,
    onBoundary: boundaryAt(elf, address, start),
    doubts,
  };
}

const NT_GNU_BUILD_ID = 3;

/** The build id that the linker gave the file, in hexadecimal. */
export function buildIdOf(elf: ElfFile): string | undefined {
  const note = readNotes(elf).find(({ name, type }) => name === "GNU" && type === NT_GNU_BUILD_ID);
  return note?.bytes.toString("hex");
}
