/**
 * A guest's serial console: its end, and the crashes it reports. The guest writes whatever it likes
 * as fast as it can, so everything here is bounded: bytes per check, characters per line, crashes
 * per check, and patterns that take linear time.
 */
import type { FileHandle } from "node:fs/promises";
import type { CpuContract } from "@evenkeel/core";
import { openPlain, tailOf } from "@evenkeel/host";

/** How much console output is kept of a failed sandbox. */
const KEPT = 4096;

/** The last few kilobytes; empty where there is none. */
export function consoleEnd(path: string): string {
  return tailOf(path, KEPT);
}

/** An illegal instruction, as the guest's kernel or one of its programs reports it. */
export interface Crash {
  readonly line: string;
  readonly process: string | undefined;
  /** As printed, e.g. `0x7f12a4`; undefined where the line has none. */
  readonly instructionPointer: string | undefined;
}

/**
 * The cause, in words and data for an event; undefined if it is not known. `contract`: what the
 * guest was promised.
 */
export type ExplainCrash = (
  crash: Crash,
  contract: CpuContract | undefined,
) => Promise<Record<string, unknown> | undefined>;

/**
 * Linux prints at most 1024 bytes at a time (CONSOLE_LOG_MAX in kernel/printk/internal.h). The end
 * of a longer line is looked at: a program may have written before the kernel did.
 */
const LINE_LIMIT = 1024;

/** `node[812] trap invalid opcode ip:7f12a4 sp:… error:0 in node[400000+2000]`, on x86. */
const TRAP = " trap invalid opcode ip:";
/** A command's name has 15 bytes, a pid seven digits; anchored, so that it is tried once. */
const TRAPPED = /(?:^|\s)(\S{1,32})\[\d{1,10}\]$/;
const POINTER = /^[0-9a-f]{1,16}/;
const TRAPPED_LENGTH = 48;
/** A shell's message for signal 4, and the exit code that reports it. */
const TOLD = /\bIllegal instruction\b|\bSIGILL\b|\bexit(?:ed with)?(?: code| status)?:? 132\b/i;
/** Text without any of these has no crash in it. */
const HINT = /invalid opcode|illegal instruction|SIGILL| 132\b/i;

function trapOf(line: string): Crash | undefined {
  const at = line.indexOf(TRAP);
  if (at === -1) return undefined;
  const process = TRAPPED.exec(line.slice(Math.max(0, at - TRAPPED_LENGTH), at))?.[1];
  const pointer = POINTER.exec(line.slice(at + TRAP.length, at + TRAP.length + 16))?.[0];
  if (process === undefined || pointer === undefined) return undefined;
  return { line, process, instructionPointer: `0x${pointer}` };
}

/** Takes time in proportion to the line's length, which is cut to 1024 characters. */
export function crashOf(whole: string): Crash | undefined {
  const line = whole.slice(-LINE_LIMIT).trim();
  const trap = trapOf(line);
  if (trap !== undefined || !TOLD.test(line)) return trap;
  return { line, process: undefined, instructionPointer: undefined };
}

const CHUNK = 64 * 1024;
/** A guest may write such lines without end. */
const MOST_CRASHES = 10;

function crashesIn(text: string): Crash[] {
  if (!HINT.test(text)) return [];
  const found: Crash[] = [];
  for (let start = 0; start < text.length && found.length < MOST_CRASHES;) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end === -1 ? text.length : end);
    if (HINT.test(line)) found.push(...[crashOf(line)].flatMap((crash) => crash ?? []));
    start = end === -1 ? text.length : end + 1;
  }
  return found;
}

export interface ConsoleNews {
  readonly crashes: readonly Crash[];
  /** Where to read on: after the last whole line. */
  readonly offset: number;
  /** Bytes that were skipped, because the guest writes faster than they are read. */
  readonly skipped: number;
}

async function readNews(file: FileHandle, before: number): Promise<ConsoleNews> {
  const { size } = await file.stat();
  // A truncated console is read from the beginning.
  const known = before > size ? 0 : before;
  if (size === known) return { crashes: [], offset: known, skipped: 0 };
  const start = Math.max(known, size - CHUNK);
  const buffer = Buffer.alloc(size - start);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  const end = buffer.subarray(0, bytesRead).lastIndexOf("\n") + 1;
  // A line that fills the whole chunk is not from a kernel; only its end could still matter.
  const length = end === 0 && bytesRead === CHUNK ? CHUNK - LINE_LIMIT : end;
  const crashes = crashesIn(buffer.toString("utf8", 0, length));
  return { crashes, offset: start + length, skipped: start - known };
}

/** Reads what was written since, at most 64 KiB; if there is more, only the end. */
export async function readConsole(path: string, offset: number): Promise<ConsoleNews> {
  let file: FileHandle;
  try {
    file = await openPlain(path);
  } catch {
    return { crashes: [], offset, skipped: 0 };
  }
  try {
    return await readNews(file, offset);
  } finally {
    await file.close();
  }
}
