/** Crash reports and binaries: what `explain` reads besides JSON documents. */
import { basename } from "node:path";
import {
  bytesOf,
  explainCore,
  explainCrash,
  IsaError,
  isElf,
  openBytes,
  readElf,
  type Binary,
  type CoreNeeds,
  type CrashContext,
  type Explanation,
} from "@evenkeel/isa";
import { CliError } from "../errors.ts";
import { displayName, LOG_LIMIT, readInput, unreadable } from "./read.ts";

/** Adds the file's name to an error. */
function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "hint" in error && !(error instanceof CliError)) {
      error.message = `${displayName(file)}: ${error.message}`;
    }
    throw error;
  }
}

/** A binary stays open until the command ends: only the parts that matter are read. */
export function loadBinary(file: string): Binary {
  let source: ReturnType<typeof openBytes>;
  try {
    source = openBytes(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  return inFile(file, () => ({ name: basename(file), elf: readElf(source) }));
}

/** The file that a core names, if this machine has it. */
function openNamed({ path }: CoreNeeds): Binary | undefined {
  try {
    return path === undefined ? undefined : loadBinary(path);
  } catch {
    return undefined;
  }
}

const COMPRESSIONS: readonly (readonly [string, string])[] = [
  ["28b52ffd", "zstd"],
  ["1f8b", "gzip"],
  ["fd377a58", "xz"],
  ["04224d18", "lz4"],
];

function refuseCompressed(start: Buffer): void {
  const hex = start.toString("hex");
  const found = COMPRESSIONS.find(([magic]) => hex.startsWith(magic));
  if (found !== undefined) throw new IsaError("COMPRESSED", `it is compressed with ${found[1]}`);
}

const START = 4;

/** The first bytes of a regular file; empty for pipes and files that cannot be opened. */
function startOf(file: string): Buffer {
  try {
    const source = openBytes(file);
    try {
      return source.read(0, Math.min(START, source.size), "start");
    } finally {
      source.close();
    }
  } catch {
    return Buffer.alloc(0);
  }
}

function explainText(text: string, context: CrashContext): Explanation {
  const explanation = explainCrash(text, context);
  if (explanation.crashes.length > 0) return explanation;
  const lines = text.trim() === "" ? 0 : text.trimEnd().split("\n").length;
  throw new IsaError("NO_CRASH", `no crash found in its ${lines} lines`);
}

/** Explains a file: a core by its first bytes, else a log. */
export function explainFile(file: string, context: CrashContext): Explanation {
  // A core may be larger than memory; only the relevant parts are read.
  if (file !== "-" && isElf(startOf(file))) {
    return inFile(file, () => explainCore(openBytes(file), context, openNamed));
  }
  const bytes = readInput(file, LOG_LIMIT);
  return inFile(file, () => {
    if (isElf(bytes)) return explainCore(bytesOf(bytes), context, openNamed);
    refuseCompressed(bytes.subarray(0, START));
    return explainText(bytes.toString("utf8"), context);
  });
}
