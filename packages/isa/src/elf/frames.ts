/**
 * Where functions begin and end, from the tables for unwinding: stripped files have them too.
 * Source: LSB 5.0 core, "Exception Frames"; DWARF 5, section 6.4; psABI for encodings.
 */
import { attempt, bytesAtAddress, sectionBytes, type ElfFile } from "./file.ts";
import { addressOf } from "./numbers.ts";
import { PT_GNU_EH_FRAME, SHT_NOBITS } from "./tables.ts";

/** Addresses, the end not included. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

interface Cursor {
  readonly bytes: Buffer;
  /** The address of the first byte. */
  readonly base: number;
  at: number;
}

function uleb(cursor: Cursor): number {
  let [value, scale] = [0, 1];
  for (;;) {
    const byte = cursor.bytes[cursor.at++] ?? 0;
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80 || scale > 2 ** 63) return value;
  }
}

const OMIT = 0xff;
const PC_RELATIVE = 0x10;

/** A pointer's size and sign by the low four bits of its encoding (DW_EH_PE_*). */
function rawPointer({ bytes }: Cursor, at: number, format: number): [number, number] | undefined {
  switch (format) {
    case 0x00:
    case 0x04:
    case 0x0c:
      return at + 8 <= bytes.length ? [addressOf(bytes.readBigUInt64LE(at)), 8] : undefined;
    case 0x02:
      return at + 2 <= bytes.length ? [bytes.readUInt16LE(at), 2] : undefined;
    case 0x03:
      return at + 4 <= bytes.length ? [bytes.readUInt32LE(at), 4] : undefined;
    case 0x0a:
      return at + 2 <= bytes.length ? [bytes.readInt16LE(at), 2] : undefined;
    case 0x0b:
      return at + 4 <= bytes.length ? [bytes.readInt32LE(at), 4] : undefined;
    default:
      return undefined;
  }
}

/** Undefined for encodings that code addresses never have: LEB128, indirect, text-relative. */
function pointer(cursor: Cursor, encoding: number): number | undefined {
  const raw = rawPointer(cursor, cursor.at, encoding & 0x0f);
  const application = encoding & 0xf0;
  if (raw === undefined || (application !== 0 && application !== PC_RELATIVE)) return undefined;
  const here = cursor.base + cursor.at;
  cursor.at += raw[1];
  return application === PC_RELATIVE ? here + raw[0] : raw[0];
}

/** How a CIE's FDEs write their addresses (augmentation `R`). */
function encodingOfCie(cursor: Cursor): number | undefined {
  cursor.at += 1;
  const end = cursor.bytes.indexOf(0, cursor.at);
  if (end === -1) return undefined;
  const augmentation = cursor.bytes.toString("latin1", cursor.at, end);
  cursor.at = end + 1;
  uleb(cursor);
  uleb(cursor);
  uleb(cursor);
  if (!augmentation.startsWith("z")) return augmentation === "" ? 0 : undefined;
  uleb(cursor);
  for (const letter of augmentation.slice(1)) {
    if (letter === "R") return cursor.bytes[cursor.at];
    if (letter === "L") cursor.at += 1;
    else if (letter === "P") {
      const encoding = cursor.bytes[cursor.at++] ?? OMIT;
      cursor.at += rawPointer(cursor, cursor.at, encoding & 0x0f)?.[1] ?? 0;
    } else if (letter !== "S" && letter !== "B") return undefined;
  }
  return 0;
}

function rangeOfFde(cursor: Cursor, encoding: number): Range | undefined {
  const start = pointer(cursor, encoding);
  const size = rawPointer(cursor, cursor.at, encoding & 0x0f)?.[0];
  if (start === undefined || size === undefined || size <= 0) return undefined;
  return { start, end: start + size };
}

/** Every FDE of an .eh_frame at an address; stops where it is damaged. */
function parseFrames(bytes: Buffer, base: number): Range[] {
  const ranges: Range[] = [];
  const encodings = new Map<number, number | undefined>();
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    // Zero ends the part of one object file; linkers leave more behind it.
    if (length === 0) {
      at += 4;
      continue;
    }
    const body = at + 4;
    if (length === 0xffff_ffff || body + length > bytes.length) break;
    const id = bytes.readUInt32LE(body);
    const cursor: Cursor = { bytes: bytes.subarray(0, body + length), base, at: body + 4 };
    if (id === 0) encodings.set(at, encodingOfCie(cursor));
    else {
      const encoding = encodings.get(body - id);
      const range = encoding === undefined ? undefined : rangeOfFde(cursor, encoding);
      if (range !== undefined) ranges.push(range);
    }
    at = body + length;
  }
  return ranges;
}

/** A file without sections: .eh_frame_hdr says where .eh_frame begins. */
function framesBySegment(elf: ElfFile): Range[] {
  const header = elf.segments.find(({ type }) => type === PT_GNU_EH_FRAME);
  if (header === undefined) return [];
  const bytes = elf.source.read(header.offset, header.fileSize, ".eh_frame_hdr");
  const cursor: Cursor = { bytes, base: header.address, at: 4 };
  const start = pointer(cursor, bytes[1] ?? OMIT);
  if (start === undefined) return [];
  const frames = bytesAtAddress(elf, start, Number.MAX_SAFE_INTEGER, ".eh_frame");
  return frames === undefined ? [] : parseFrames(frames, start);
}

/** The ranges that .eh_frame covers, as the file has them; empty where there is none. */
export function readFrames(elf: ElfFile): Range[] {
  const section = elf.sections.find(
    ({ name, type, size }) => name === ".eh_frame" && type !== SHT_NOBITS && size > 0,
  );
  return attempt(
    elf.problems,
    () =>
      section === undefined
        ? framesBySegment(elf)
        : parseFrames(sectionBytes(elf, section), section.address),
    [],
  );
}
