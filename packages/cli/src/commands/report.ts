/** `evenkeel report`: results as one HTML file to look at, and as pictures. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { prettyJson } from "@evenkeel/core";
import { renderReport, reportPictures, type ReportPart, type Result } from "@evenkeel/web";
import { CliError } from "../errors.ts";
import type { BootFlags } from "../input/contracts.ts";
import type { ReadFlags } from "../input/documents.ts";
import { examplePool } from "../input/example.ts";
import { displayName } from "../input/read.ts";
import { loadReportInputs } from "../input/results.ts";
import { writeFileWhole } from "../output/write-files.ts";
import { versionText } from "../version.ts";
import { poolPart } from "./report-pool.ts";

export interface ReportFlags extends ReadFlags, Pick<BootFlags, "firecracker"> {
  readonly out?: string;
  readonly svg?: string;
  readonly title?: string;
  readonly example?: boolean;
  readonly json?: boolean;
}

function howOf(shape: Readonly<Record<string, string>>): string {
  const { plan, template, cpuTemplate } = shape;
  if (plan !== undefined) return "With the plan";
  const name = template ?? cpuTemplate;
  return name === undefined ? "Without a template" : `With ${name}`;
}

function partOf(result: Result): ReportPart {
  if (result.kind !== "matrix") return result;
  const { entries, pairs, shape } = result.data;
  const moves = pairs.map(({ findings, ...pair }) => ({
    ...pair,
    findings: typeof findings === "string" ? undefined : findings,
  }));
  return { kind: "matrix", how: howOf(shape), view: { classes: entries, moves } };
}

function partsOf(files: readonly string[], flags: ReportFlags): ReportPart[] {
  const { results, profiles } = loadReportInputs(files, flags);
  const nodes = [...profiles, ...(flags.example === true ? examplePool() : [])];
  return [...(nodes.length === 0 ? [] : [poolPart(nodes, flags)]), ...results.map(partOf)];
}

interface Written {
  readonly file: string;
  readonly bytes: number;
}

function write(file: string, text: string): Written {
  writeFileWhole(file, text);
  return { file, bytes: Buffer.byteLength(text) };
}

function writePictures(directory: string, parts: readonly ReportPart[]): Written[] {
  const pictures = reportPictures(parts);
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("WRITE_FAILED", `${directory}: ${reason}`, { cause: error });
  }
  return pictures.map(({ file, svg }) => write(join(directory, file), svg));
}

export function runReport(files: readonly string[], flags: ReportFlags): number {
  const { out, svg, title = "evenkeel report", example = false, json = false } = flags;
  if (files.length === 0 && !example) {
    throw new CliError("USAGE", "no file is named; --example shows the example pool");
  }
  if (out === undefined && svg === undefined) {
    throw new CliError("USAGE", "name a file with --out, or a directory with --svg");
  }
  const parts = partsOf(files, flags);
  const sources = [...files.map(displayName), ...(example ? ["the example pool"] : [])];
  const [version = ""] = versionText().split("\n");
  const html = renderReport({ title, parts, sources, version });
  const written = [
    ...(out === undefined ? [] : [write(out, html)]),
    ...(svg === undefined ? [] : writePictures(svg, parts)),
  ];
  const lines = written.map(({ file, bytes }) => `${file}  ${Math.ceil(bytes / 1000)} kB`);
  const text = written.length === 0 ? "No pictures in these results." : lines.join("\n");
  process.stdout.write(json ? prettyJson({ parts: parts.length, files: written }) : `${text}\n`);
  return 0;
}
