/** Times scans of Node's own executable, and of copies that say that less of it is code. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, readElf } from "@evenkeel/isa";
import { measure, type Run } from "./measure.ts";

export interface ScanFigure {
  readonly share: string;
  /** MiB that are scanned. */
  readonly code: string;
  readonly run: Run;
}

const SECTION_HEADER = 64;
const SIZE_FIELD = 32;
const MIB = 1024 * 1024;

/** A copy whose .text ends early; functions behind its end are then not code. */
function shortened(bytes: Buffer, part: number): { copy: Buffer; size: number } {
  const { header, sections } = readElf(bytesOf(bytes));
  const text = sections.find(({ name }) => name === ".text");
  if (text === undefined) throw new Error("Node's executable has no .text");
  const copy = Buffer.from(bytes);
  const size = Math.floor(text.size * part);
  const at = header.sections.offset + text.index * SECTION_HEADER + SIZE_FIELD;
  copy.writeBigUInt64LE(BigInt(size), at);
  return { copy, size };
}

export function measureScans(cli: string, directory: string): ScanFigure[] {
  const bytes = readFileSync(process.execPath);
  const shares = [
    ["a quarter", 0.25],
    ["half", 0.5],
    ["all", 1],
  ] as const;
  return shares.map(([share, part]) => {
    const { copy, size } = shortened(bytes, part);
    const path = join(directory, "node");
    writeFileSync(path, copy);
    const run = measure([process.execPath, cli, "scan", path], 3);
    return { share, code: (size / MIB).toFixed(1), run };
  });
}

export interface OtherFigure {
  readonly tool: string;
  readonly run: Run;
}

/** Who else reads instructions: https://crates.io/crates/elfx86exts, and binutils. */
const OTHERS = [
  { tool: "elfx86exts", args: [] },
  { tool: "objdump", args: ["-d"] },
] as const;

/** The same of other tools on all of Node's executable, where they are installed. */
export function measureOthers(): OtherFigure[] {
  return OTHERS.filter(({ tool }) => spawnSync(tool, ["--version"]).status === 0).map(
    ({ tool, args }) => ({
      tool: [tool, ...args].join(" "),
      run: measure([tool, ...args, process.execPath], 3),
    }),
  );
}
