/** Files to documents and profiles. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import {
  CoreError,
  parseJson,
  profileOf,
  readDocument,
  readFingerprintHeader,
  readProfileHeader,
  readText,
  type Document,
  type NodeProfile,
  type OfferedCpu,
} from "@evenkeel/core";
import { FileError } from "../errors.ts";
import { displayName, readInput } from "./read.ts";

/** How files are read; `--kernel` is for dumps that are estimates. */
export interface ReadFlags {
  readonly kernel?: string;
}

/** A node's name where its profile has none: the file's name without its ending. */
function nodeName(file: string): string {
  return file === "-" ? "stdin" : basename(file).replace(/\.(?:json|txt|xml)$/, "");
}

/** Names the file in an error of what was read from it. */
export function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof CoreError ? new FileError(displayName(file), error) : error;
  }
}

export function loadDocument(file: string, { kernel }: ReadFlags = {}): Document {
  const text = readInput(file).toString("utf8");
  return inFile(file, () => readText(text, { name: nodeName(file), kernel }));
}

/** The first key of the part of a profile that describes the CPU, in either format. */
const CPU_KEYS = ['"guest_cpu_config"', '"arch"'];
const CPU_MEMBERS = new Set(["guest_cpu_config", "arch", "view", "cpuid", "msrs", "registers"]);

type JsonObject = Record<string, unknown>;

interface Split {
  /** The members before the CPU's. */
  readonly header: JsonObject;
  /** A digest of everything from the CPU's first key to the end. */
  readonly digest: string;
}

/** Splits a file before its CPU, if what stands before is a JSON object's beginning. */
function split(bytes: Buffer): Split | undefined {
  const at = CPU_KEYS.map((key) => bytes.indexOf(key)).filter((offset) => offset > 0);
  if (at.length === 0) return undefined;
  const offset = Math.min(...at);
  try {
    const header = JSON.parse(`${bytes.toString("utf8", 0, offset)}"":0}`) as JsonObject;
    delete header[""];
    const digest = createHash("sha1").update(bytes.subarray(offset)).digest("base64");
    return { header, digest };
  } catch {
    return undefined;
  }
}

/**
 * Loads profiles. A fleet has thousands of nodes and a few dozen kinds of CPU: where the CPU's
 * part of a file is byte for byte that of a file before, it is not parsed again, and both
 * profiles share one CPU object.
 */
export function profileLoader({ kernel }: ReadFlags = {}): (file: string) => NodeProfile {
  const cpus = new Map<string, OfferedCpu>();
  return (file) => {
    const bytes = readInput(file);
    const parts = split(bytes);
    const known = parts === undefined ? undefined : cpus.get(parts.digest);
    return inFile(file, () => {
      if (parts !== undefined && known !== undefined) {
        return withHeader(parts.header, known, nodeName(file));
      }
      const text = bytes.toString("utf8");
      const name = nodeName(file);
      if (parts === undefined) return profileOf(readText(text, { name, kernel }));
      const json = parseJson(text);
      const profile = profileOf(readDocument(json, name, kernel));
      if (isAllHeader(json as JsonObject, parts.header)) {
        cpus.set(parts.digest, profile.cpu);
      }
      return profile;
    });
  };
}

/** Whether nothing but the CPU stands from the CPU's first key on. */
function isAllHeader(json: JsonObject, header: JsonObject): boolean {
  return Object.keys(json).every((key) => CPU_MEMBERS.has(key) || key in header);
}

function withHeader(header: JsonObject, cpu: OfferedCpu, name: string): NodeProfile {
  if ("schema" in header) return { ...readProfileHeader(header, name), cpu };
  const facts = { provenance: undefined, incomplete: [], estimate: false };
  return { name, ...facts, cpu, ...readFingerprintHeader(header) };
}
