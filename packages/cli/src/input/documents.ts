/** Files to documents and profiles. */
import { basename } from "node:path";
import {
  CoreError,
  inFile,
  isFingerprintHeader,
  parseJson,
  PROFILE_SCHEMA,
  profileOf,
  readDocument,
  readFingerprintHeader,
  readProfileHeader,
  readText,
  type Document,
  type NodeProfile,
  type OfferedCpu,
} from "@evenkeel/core";
import { displayName, readInput } from "./read.ts";

/** How files are read; `--kernel` is for dumps that are estimates. */
export interface ReadFlags {
  readonly kernel?: string;
}

/** A node's name where its profile has none: the file's name without its ending. */
function nodeName(file: string): string {
  return file === "-" ? "stdin" : basename(file).replace(/\.(?:json|txt|xml)$/, "");
}

export function loadDocument(file: string, { kernel }: ReadFlags = {}): Document {
  const text = readInput(file).toString("utf8");
  return inFile(displayName(file), () => readText(text, { name: nodeName(file), kernel }));
}

type JsonObject = Readonly<Record<string, unknown>>;

interface Format {
  /** The first key of the part of the file that describes the CPU. */
  readonly cpuKey: string;
  /** Whether the members before that part are those of this format, and of no other. */
  readonly hasHeader: (header: JsonObject) => boolean;
  readonly read: (header: JsonObject, name: string) => Omit<NodeProfile, "cpu">;
}

const FORMATS: readonly Format[] = [
  {
    cpuKey: "arch",
    hasHeader: ({ schema }) => schema === PROFILE_SCHEMA,
    read: readProfileHeader,
  },
  {
    cpuKey: "guest_cpu_config",
    hasHeader: isFingerprintHeader,
    read: (header, name) => {
      const facts = { provenance: undefined, incomplete: [], estimate: false };
      return { name, ...facts, ...readFingerprintHeader(header) };
    },
  },
];

const CPU_MEMBERS = new Set(["guest_cpu_config", "arch", "view", "cpuid", "msrs", "registers"]);

interface Split {
  readonly format: Format;
  /** The members before the CPU's. */
  readonly header: JsonObject;
  /** Everything from the CPU's first key to the end; not to be kept. */
  readonly rest: Buffer;
}

/** The JSON object that ends before an offset, if what stands there is an object's beginning. */
function headerBefore(bytes: Buffer, offset: number): JsonObject | undefined {
  const text = bytes.toString("utf8", 0, offset).trimEnd();
  const isFirst = text.endsWith("{");
  if (!isFirst && !text.endsWith(",")) return undefined;
  try {
    return parseJson(`${isFirst ? text : text.slice(0, -1)}}`) as JsonObject;
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}

/**
 * Splits a file before its CPU. Undefined for all that is not plainly of a known format: that is
 * to be read as a whole, and refused with all its errors.
 */
function split(bytes: Buffer): Split | undefined {
  let first: { readonly format: Format; readonly at: number } | undefined;
  for (const format of FORMATS) {
    // Only what stands before the one that was found can come first.
    const at = bytes.subarray(0, first?.at).indexOf(`"${format.cpuKey}"`);
    if (at > 0) first = { format, at };
  }
  if (first === undefined) return undefined;
  const { format, at } = first;
  const header = headerBefore(bytes, at);
  if (header === undefined || !format.hasHeader(header)) return undefined;
  if (Object.keys(header).some((key) => CPU_MEMBERS.has(key))) return undefined;
  return { format, header, rest: bytes.subarray(at) };
}

/** How many CPUs of one sample are remembered: a fleet has few, and a hostile one any number. */
const MOST_OF_A_SAMPLE = 64;

/** A number that differs for most CPUs: of the length, and of a byte here and there. */
function sampleOf(bytes: Buffer): number {
  let sample = bytes.length;
  for (let at = 0; at < bytes.length; at += 37) sample = (sample * 31 + (bytes[at] ?? 0)) | 0;
  return sample;
}

/** CPUs by the bytes that describe them; comparing bytes is cheaper than a digest of them. */
function cpusByBytes() {
  const bySample = new Map<number, { readonly bytes: Buffer; readonly cpu: OfferedCpu }[]>();
  return {
    find: (bytes: Buffer) =>
      bySample.get(sampleOf(bytes))?.find((known) => known.bytes.equals(bytes))?.cpu,
    add: (bytes: Buffer, cpu: OfferedCpu) => {
      const others = bySample.get(sampleOf(bytes)) ?? [];
      if (others.length >= MOST_OF_A_SAMPLE) return;
      bySample.set(sampleOf(bytes), [...others, { bytes: Buffer.from(bytes), cpu }]);
    },
  };
}

/** Bytes that nearly every profile fits into. */
const SCRATCH = 64 * 1024;

/**
 * Loads profiles. A fleet has thousands of nodes and a few dozen kinds of CPU: where the CPU's
 * part of a file is byte for byte that of a file before, it is not parsed again, and both
 * profiles share one CPU object.
 */
export function profileLoader({ kernel }: ReadFlags = {}): (file: string) => NodeProfile {
  const cpus = cpusByBytes();
  const scratch = Buffer.allocUnsafe(SCRATCH);
  return (file) => {
    const bytes = readInput(file, undefined, scratch);
    const parts = split(bytes);
    const known = parts === undefined ? undefined : cpus.find(parts.rest);
    return inFile(displayName(file), () => {
      const name = nodeName(file);
      if (parts !== undefined && known !== undefined) {
        return { ...parts.format.read(parts.header, name), cpu: known };
      }
      const text = bytes.toString("utf8");
      if (parts === undefined) return profileOf(readText(text, { name, kernel }));
      const json = parseJson(text);
      const profile = profileOf(readDocument(json, name, kernel));
      if (isAllHeader(json as JsonObject, parts.header)) {
        cpus.add(parts.rest, profile.cpu);
      }
      return profile;
    });
  };
}

/** Whether nothing but the CPU stands from the CPU's first key on. */
function isAllHeader(json: JsonObject, header: JsonObject): boolean {
  return Object.keys(json).every((key) => CPU_MEMBERS.has(key) || Object.hasOwn(header, key));
}
