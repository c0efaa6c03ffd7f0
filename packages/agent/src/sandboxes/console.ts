/** A guest's serial console: its end, and what it says about crashes. */
import { open, type FileHandle } from "node:fs/promises";
import type { CpuContract } from "@evenkeel/core";

/** How much of a console is kept of a sandbox that failed. */
const KEPT = 4096;

async function readAt(file: FileHandle, offset: number, length: number): Promise<string> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  return buffer.toString("utf8", 0, bytesRead);
}

/** The last few kilobytes; empty where there is none. */
export async function consoleEnd(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const start = Math.max(0, size - KEPT);
      return await readAt(file, start, size - start);
    } finally {
      await file.close();
    }
  } catch {
    return "";
  }
}

/** An illegal instruction, as the guest's kernel or one of its programs reports it. */
export interface Crash {
  readonly line: string;
  readonly process: string | undefined;
  /** As printed, e.g. `0x7f12a4`; undefined where the line has none. */
  readonly instructionPointer: string | undefined;
}

/**
 * Says why, in words and data for an event; undefined where it is not known. `contract`: what the
 * guest was promised.
 */
export type ExplainCrash = (
  crash: Crash,
  contract: CpuContract | undefined,
) => Promise<Record<string, unknown> | undefined>;

/** `node[812] trap invalid opcode ip:7f12a4 sp:… error:0 in node[400000+2000]`, on x86. */
const TRAP = /(?:traps: )?(\S+)\[\d+\] trap invalid opcode ip:([0-9a-f]+)/;
/** A shell's word for signal 4, and the exit code by which it passes it on. */
const TOLD = /\bIllegal instruction\b|\bSIGILL\b|\bexit(?:ed with)?(?: code| status)?:? 132\b/i;

function crashOf(line: string): Crash | undefined {
  const trap = TRAP.exec(line);
  if (trap !== null) {
    const [, process, ip] = trap;
    return { line: line.trim(), process, instructionPointer: `0x${ip}` };
  }
  if (!TOLD.test(line)) return undefined;
  return { line: line.trim(), process: undefined, instructionPointer: undefined };
}

const CHUNK = 64 * 1024;
/** A guest may write such lines without end. */
const MOST_CRASHES = 10;

export interface ConsoleNews {
  readonly crashes: readonly Crash[];
  /** Where to read on: after the last whole line. */
  readonly offset: number;
}

/** Reads what was written since; a chunk at a time, the rest comes with the next call. */
export async function readConsole(path: string, offset: number): Promise<ConsoleNews> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch {
    return { crashes: [], offset };
  }
  try {
    const { size } = await file.stat();
    if (size <= offset) return { crashes: [], offset: size };
    const buffer = Buffer.alloc(Math.min(CHUNK, size - offset));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    const end = buffer.lastIndexOf("\n", bytesRead - 1) + 1;
    // A line that fills the whole chunk is no kernel's; it is passed over.
    const length = end === 0 && bytesRead === CHUNK ? CHUNK : end;
    const lines = buffer.toString("utf8", 0, length).split("\n");
    const crashes = lines.flatMap((line) => crashOf(line) ?? []).slice(0, MOST_CRASHES);
    return { crashes, offset: offset + length };
  } finally {
    await file.close();
  }
}
