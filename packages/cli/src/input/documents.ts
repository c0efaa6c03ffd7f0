/** Files to documents and profiles. */
import { basename } from "node:path";
import {
  CPU_KEYS,
  inFile,
  parseJson,
  profileOf,
  readDocument,
  readHeader,
  readText,
  type Document,
  type NodeProfile,
  type OfferedCpu,
  type ProfileHeader,
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

export function loadDocument(file: string, flags: ReadFlags = {}): Document {
  return documentOf(file, readInput(file).toString("utf8"), flags);
}

/** A document whose text was read already. */
export function documentOf(file: string, text: string, { kernel }: ReadFlags = {}): Document {
  return inFile(displayName(file), () => readText(text, { name: nodeName(file), kernel }));
}

interface Split {
  /** The text before the CPU's part. */
  readonly header: ProfileHeader;
  /** Everything from the CPU's first key to the end; not to be kept. */
  readonly rest: Buffer;
}

/** Splits a file before its CPU; undefined if it must be read as a whole. */
function split(bytes: Buffer): Split | undefined {
  let first: { readonly key: string; readonly at: number } | undefined;
  for (const key of CPU_KEYS) {
    // An earlier match can only be in the text before this one.
    const at = bytes.subarray(0, first?.at).indexOf(`"${key}"`);
    if (at > 0) first = { key, at };
  }
  if (first === undefined) return undefined;
  const { key, at } = first;
  const header = readHeader(bytes.toString("utf8", 0, at), key);
  return header === undefined ? undefined : { header, rest: bytes.subarray(at) };
}

/** How many CPUs with the same sample are remembered: a fleet has few, hostile input any number. */
const MOST_OF_A_SAMPLE = 64;

/** A cheap hash that differs for most CPUs: from the length and a few bytes. */
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

/** Nearly every profile fits into this many bytes. */
const SCRATCH = 64 * 1024;

/**
 * Loads profiles. A fleet has thousands of nodes and a few dozen kinds of CPU: if the CPU's part of
 * a file is byte for byte the same as an earlier file's, it is not parsed again, and both profiles
 * share one CPU object.
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
        return { ...parts.header.facts(name), cpu: known };
      }
      const text = bytes.toString("utf8");
      if (parts === undefined) return profileOf(readText(text, { name, kernel }));
      const json = parseJson(text);
      const profile = profileOf(readDocument(json, name, kernel));
      if (parts.header.isAllOf(json)) cpus.add(parts.rest, profile.cpu);
      return profile;
    });
  };
}
