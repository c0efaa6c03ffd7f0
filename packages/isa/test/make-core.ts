/** Core files built by hand, for what this machine cannot die of. */

interface Note {
  readonly name: string;
  readonly type: number;
  readonly bytes: Buffer;
}

function noteBytes({ name, type, bytes }: Note): Buffer {
  const text = Buffer.from(`${name}\0`);
  const header = Buffer.alloc(12);
  header.writeUInt32LE(text.length, 0);
  header.writeUInt32LE(bytes.length, 4);
  header.writeUInt32LE(type, 8);
  const pad = (part: Buffer) => Buffer.concat([part, Buffer.alloc((4 - (part.length % 4)) % 4)]);
  return Buffer.concat([header, pad(text), pad(bytes)]);
}

function segment(type: number, offset: number, address: bigint, size: number): Buffer {
  const bytes = Buffer.alloc(56);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(5, 4);
  bytes.writeBigUInt64LE(BigInt(offset), 8);
  bytes.writeBigUInt64LE(address, 16);
  bytes.writeBigUInt64LE(BigInt(size), 32);
  bytes.writeBigUInt64LE(BigInt(size), 40);
  return bytes;
}

const IP = 0x7f00_0000_1000n;
/** vpermi2b zmm0, zmm0, zmm1; ret; nop */
const CODE = "62 f2 7d 48 75 c1 c3 90";

function status(): Buffer {
  const bytes = Buffer.alloc(336);
  bytes.writeUInt16LE(4, 12);
  bytes.writeInt32LE(2562, 32);
  bytes.writeBigUInt64LE(IP, 240);
  return bytes;
}

/** NT_FILE: a count, a page size, then start, end and page offset of each, then the paths. */
function mappedFiles(count: bigint): Buffer {
  const numbers = Buffer.alloc(40);
  [count, 4096n, IP, IP + 4096n, 1n].forEach((n, i) => numbers.writeBigUInt64LE(n, i * 8));
  return Buffer.concat([numbers, Buffer.from("/srv/app\0")]);
}

export interface CoreFacts {
  /** What NT_FILE says is its number of files; there is one. */
  readonly files?: bigint;
  /** The code at the instruction pointer, in hexadecimal. */
  readonly code?: string;
  /** `si_code` of the signal. */
  readonly signalCode?: number;
  readonly xcr0?: bigint;
}

function signalInfo(code: number): Note {
  const bytes = Buffer.alloc(128);
  bytes.writeInt32LE(4, 0);
  bytes.writeInt32LE(code, 8);
  return { name: "CORE", type: 0x5349_4749, bytes };
}

function extendedState(xcr0: bigint): Note {
  const bytes = Buffer.alloc(832);
  bytes.writeBigUInt64LE(xcr0, 464);
  return { name: "LINUX", type: 0x202, bytes };
}

/** A small core with one thread, one mapped file, and its code. */
export function smallCore({ files = 1n, code = CODE, signalCode, xcr0 }: CoreFacts = {}): Buffer {
  const memory = Buffer.from(code.replaceAll(" ", ""), "hex");
  const notes = Buffer.concat(
    [
      { name: "CORE", type: 1, bytes: status() },
      { name: "CORE", type: 0x4649_4c45, bytes: mappedFiles(files) },
      ...(signalCode === undefined ? [] : [signalInfo(signalCode)]),
      ...(xcr0 === undefined ? [] : [extendedState(xcr0)]),
    ].map(noteBytes),
  );
  const header = Buffer.alloc(64);
  header.write("\u007fELF\u0002\u0001\u0001", "latin1");
  header.writeUInt16LE(4, 16);
  header.writeUInt16LE(62, 18);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(2, 56);
  const start = 64 + 2 * 56;
  const parts = [
    header,
    segment(4, start, 0n, notes.length),
    segment(1, start + notes.length, IP, memory.length),
    notes,
    memory,
  ];
  return Buffer.concat(parts);
}
