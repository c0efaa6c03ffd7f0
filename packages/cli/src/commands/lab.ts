/** `evenkeel lab`: emulates a mixed pool here, and compares predictions with what happens. */
import { ALL_LINES, formatProfile, prettyJson } from "@evenkeel/core";
import {
  figuresOf,
  isAsPredicted,
  LabError,
  parseNodes,
  runLab,
  type LabPool,
  type LabResult,
} from "@evenkeel/lab";
import { CliError } from "../errors.ts";
import { openNamed } from "../input/template.ts";
import { labReport } from "../render/lab.ts";

export interface LabFlags {
  readonly nodes: string;
  readonly pool: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly image?: string;
  readonly rounds: string;
  readonly json?: boolean;
}

/** A resumed canary must complete this many rounds; it does about twenty a second. */
const TICKS = 10;
/** Emulated CPUs at work at the same time. */
const PARALLEL = 2;
const MOST_ROUNDS = 1000;

function poolOf(name: string): LabPool {
  if (name === "plan" || name === "none") return { kind: name };
  const template = openNamed(name)
    .forNode(undefined)
    .templateFor(ALL_LINES.at(-1) ?? "");
  if (template === undefined) throw new CliError("USAGE", `${name} is not a template`);
  return { kind: "template", name, template };
}

function roundsOf(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= MOST_ROUNDS) return rounds;
  throw new CliError("USAGE", `--rounds must be 1 to ${MOST_ROUNDS}, but is "${text}"`);
}

function imageOf({ initrd, image }: LabFlags): string | undefined {
  if (initrd === undefined || image === undefined) return initrd ?? image;
  throw new CliError("USAGE", "give --initrd or --image, not both");
}

/** The result as plain data; profiles as the files that other commands read. */
function resultToJson(result: LabResult): object {
  const { nodes, grids, ...facts } = result;
  return {
    asPredicted: isAsPredicted(result),
    ...facts,
    nodes: nodes.map(({ name, cpu, executes, profile }) => ({
      name,
      cpu,
      executes,
      profile: JSON.parse(formatProfile(profile)) as object,
    })),
    grids: grids.map((grid) => ({ figures: figuresOf(grid.pairs), ...grid })),
  };
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal stops the lab, which then cleans up; further signals are ignored. */
async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort(new LabError("INTERRUPTED", "interrupted"));
  for (const name of SIGNALS) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, stop);
  }
}

export async function runLabCommand(flags: LabFlags): Promise<number> {
  const options = {
    nodes: parseNodes(flags.nodes),
    pool: poolOf(flags.pool),
    kernel: flags.kernel,
    image: imageOf(flags),
    rounds: roundsOf(flags.rounds),
    ticks: TICKS,
    parallel: PARALLEL,
    report: (line: string) => void process.stderr.write(`${line}\n`),
  };
  const result = await untilInterrupted((signal) => runLab({ ...options, signal }));
  process.stdout.write(flags.json === true ? prettyJson(resultToJson(result)) : labReport(result));
  const planned = result.grids.every(({ refusals }) => refusals.length === 0);
  return planned && isAsPredicted(result) ? 0 : 1;
}
