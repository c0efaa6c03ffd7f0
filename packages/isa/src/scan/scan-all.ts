/** Scans everything under some paths, on several threads, with bounded memory and disk. */
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Candidate, Found } from "../image/candidate.ts";
import { findUnder } from "../image/find.ts";
import { DEFAULT_LIMITS, type Limits } from "../image/limits.ts";
import { openWorkspace, type CopyTo } from "../image/workspace.ts";
import type { FileScan, ScanResult, Skipped } from "./result.ts";
import { callingThread, openThread, type Thread } from "./thread.ts";

export interface Progress {
  /** Files scanned, and files found so far. */
  readonly done: number;
  readonly found: number;
  /** Bytes of code read. */
  readonly bytes: number;
  /** What is being scanned. */
  readonly name: string;
}

export interface ScanAllOptions {
  /** By default, one per core; 0: none but the calling one. */
  readonly threads?: number;
  readonly limits?: Limits;
  /** Where the temporary folder is made. */
  readonly temporary?: string;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Scans {
  /** Sorted by name. */
  readonly files: readonly FileScan[];
  /** Set aside: not for x86-64, or nothing that a program is read from. */
  readonly skipped: readonly Skipped[];
  /** Not read, or not to the end: what is in them is not known, and nothing is fine there. */
  readonly unread: readonly Skipped[];
}

/** Threads cost a hundred megabytes each, and disks feed no more than a few. */
const MOST_THREADS = 8;

interface Collected {
  readonly files: FileScan[];
  readonly skipped: Skipped[];
  readonly unread: Skipped[];
}

function collect(results: readonly ScanResult[], into: Collected): void {
  for (const result of results) {
    if (result.status === "scanned") into.files.push(result.scan);
    if (result.status === "skipped") into.skipped.push(result.skipped);
    if (result.status === "unread") into.unread.push(result.unread);
  }
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

async function* findAll(
  paths: readonly string[],
  to: Omit<CopyTo, "budget">,
): AsyncGenerator<Found> {
  for (const path of paths) yield* findUnder(path, to);
}

interface Crew {
  readonly collected: Collected;
  readonly report: (
    change: { done?: number; found?: number; bytes?: number },
    name: string,
  ) => void;
}

async function scanOne(candidate: Candidate, thread: Thread, crew: Crew): Promise<void> {
  let before = 0;
  const results = await thread.scan(candidate, (bytes) => {
    crew.report({ bytes: bytes - before }, candidate.name);
    before = bytes;
  });
  if (candidate.temporary) await rm(candidate.path, { force: true });
  collect(results, crew.collected);
  const total = results.reduce((n, r) => n + (r.status === "scanned" ? r.scan.code.bytes : 0), 0);
  crew.report({ done: 1, bytes: total - before }, candidate.name);
}

/**
 * Takes the next file when it is free, so that no more copies lie on disk than there are threads.
 * Several take from one generator: its answers come in the order of the questions.
 */
async function work(queue: AsyncGenerator<Found>, thread: Thread, crew: Crew): Promise<void> {
  for (let next = await queue.next(); next.done !== true; next = await queue.next()) {
    if (next.value.kind === "candidate") {
      crew.report({ found: 1 }, next.value.candidate.name);
      await scanOne(next.value.candidate, thread, crew);
      continue;
    }
    const { kind, name, reason } = next.value;
    crew.collected[kind].push({ name, reason });
  }
}

function reporter(onProgress: ScanAllOptions["onProgress"]): Crew["report"] {
  let [done, found, bytes] = [0, 0, 0];
  return (change, name) => {
    done += change.done ?? 0;
    found += change.found ?? 0;
    bytes += change.bytes ?? 0;
    onProgress?.({ done, found, bytes, name });
  };
}

export async function scanAll(
  paths: readonly string[],
  options: ScanAllOptions = {},
): Promise<Scans> {
  const count = Math.min(options.threads ?? availableParallelism(), MOST_THREADS);
  const workspace = openWorkspace(options.temporary);
  const threads = count === 0 ? [callingThread] : Array.from({ length: count }, openThread);
  const collected: Collected = { files: [], skipped: [], unread: [] };
  try {
    const queue = findAll(paths, { workspace, limits: options.limits ?? DEFAULT_LIMITS });
    const crew = { collected, report: reporter(options.onProgress) };
    await Promise.all(threads.map((thread) => work(queue, thread, crew)));
  } finally {
    await Promise.all(threads.map((thread) => thread.close()));
    await workspace.remove();
  }
  return {
    files: collected.files.toSorted(byName),
    skipped: collected.skipped.toSorted(byName),
    unread: collected.unread.toSorted(byName),
  };
}
