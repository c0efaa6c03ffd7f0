/**
 * What a profile's file says before its CPU. A fleet has thousands of nodes and a few dozen kinds of
 * CPU: whoever knows the CPU's part of a file already need not parse it again.
 */
import { CoreError } from "../errors.ts";
import { parseJson } from "../json/parse.ts";
import { isObject, type JsonObject } from "../json/problems.ts";
import { PROFILE_SCHEMA, type NodeProfile } from "../profile/profile.ts";
import { isFingerprintHeader, readFingerprintHeader } from "./dump.ts";
import { readProfileHeader } from "./profile.ts";

type Facts = Omit<NodeProfile, "cpu">;

interface Format {
  /** Whether the members before the CPU's are those of this format, and of no other. */
  readonly hasHeader: (header: JsonObject) => boolean;
  readonly read: (header: JsonObject, name: string) => Facts;
}

/** By the first key of the part that describes the CPU. */
const FORMATS: Readonly<Record<string, Format>> = {
  arch: { hasHeader: ({ schema }) => schema === PROFILE_SCHEMA, read: readProfileHeader },
  guest_cpu_config: {
    hasHeader: isFingerprintHeader,
    read: (header, name) => {
      const facts = { provenance: undefined, incomplete: [], estimate: false };
      return { name, ...facts, ...readFingerprintHeader(header) };
    },
  },
};

/** Keys with which the CPU's part of a profile's file may begin. */
export const CPU_KEYS: readonly string[] = Object.keys(FORMATS);

const CPU_MEMBERS = new Set(["guest_cpu_config", "arch", "view", "cpuid", "msrs", "registers"]);

export interface ProfileHeader {
  /** The profile but for its CPU; `name`: where the file has none. */
  readonly facts: (name: string) => Facts;
  /** Whether a file's JSON has nothing besides this header and the CPU's members. */
  readonly isAllOf: (json: unknown) => boolean;
}

/** The object that a text begins, if it ends before one of its keys. */
function objectOf(text: string): JsonObject | undefined {
  const begun = text.trimEnd();
  const isFirst = begun.endsWith("{");
  if (!isFirst && !begun.endsWith(",")) return undefined;
  try {
    const json = parseJson(`${isFirst ? begun : begun.slice(0, -1)}}`);
    return isObject(json) ? json : undefined;
  } catch (error) {
    if (error instanceof CoreError) return undefined;
    throw error;
  }
}

/**
 * Reads the text that stands before `cpuKey`, one of {@link CPU_KEYS}. Undefined for all that is not
 * plainly of a known format: that is to be read as a whole, and refused with all its errors.
 */
export function readHeader(text: string, cpuKey: string): ProfileHeader | undefined {
  const format = FORMATS[cpuKey];
  const header = objectOf(text);
  if (format === undefined || header === undefined || !format.hasHeader(header)) return undefined;
  if (Object.keys(header).some((key) => CPU_MEMBERS.has(key))) return undefined;
  return {
    facts: (name) => format.read(header, name),
    isAllOf: (json) =>
      isObject(json) &&
      Object.keys(json).every((key) => CPU_MEMBERS.has(key) || Object.hasOwn(header, key)),
  };
}
