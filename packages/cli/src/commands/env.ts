/** `evenkeel env`: variables that limit libraries to a pool's CPU where no template is set. */
import { existsSync } from "node:fs";
import {
  archOf,
  classOffersFeature,
  CPUID_FIELDS,
  planHasFeature,
  prettyJson,
  UNCOUNTED_GROUPS,
  type PlanFile,
} from "@evenkeel/core";
import { narrowingFor, scanAll, settingsFor, type Narrowing, type Setting } from "@evenkeel/isa";
import { CliError } from "../errors.ts";
import { loadPlan } from "../input/template.ts";
import { progressLine } from "../output/progress.ts";

export interface EnvFlags {
  readonly plan: string;
  readonly for?: string;
  readonly json?: boolean;
}

/**
 * Features that guests of the plan do not see but some node has: a library may find them without a
 * template.
 */
function hiddenBy(plan: PlanFile): Set<string> {
  const names = CPUID_FIELDS.filter(
    ({ readBy, loss, group }) =>
      readBy === "user" && (loss === "fault" || loss === "silent") && !UNCOUNTED_GROUPS.has(group),
  ).map(({ name }) => name);
  return new Set(
    names.filter(
      (name) =>
        planHasFeature(plan, name) !== "yes" &&
        plan.classes.some((planned) => classOffersFeature(plan, planned, name) !== "no"),
    ),
  );
}

async function narrowing({ for: path }: EnvFlags, hidden: ReadonlySet<string>): Promise<Narrowing> {
  if (path === undefined) return { settings: settingsFor(hidden), left: [] };
  if (!existsSync(path)) throw new CliError("UNREADABLE", `${path}: no such file`);
  const progress = progressLine();
  const { files, unread } = await scanAll([path], { onProgress: progress.show }).finally(
    progress.clear,
  );
  const { settings, left } = narrowingFor(files, hidden);
  return {
    settings,
    left: [...left, ...unread.map(({ name, reason }) => ({ name, why: reason }))],
  };
}

function settingLines({ dispatcher, variable, value, but, reference }: Setting): string[] {
  const note = but === undefined ? "" : ` (${but})`;
  return [
    "",
    `# ${dispatcher}${note}: ${reference}`,
    variable === undefined ? `# on the command line: ${value}` : `${variable}=${value}`,
  ];
}

function envFile(plan: string, hidden: ReadonlySet<string>, { settings, left }: Narrowing): string {
  if (hidden.size === 0)
    return "# Every node of the plan shows guests the same features: nothing to set.\n";
  return [
    `# Keeps programs from using ${[...hidden].join(" ")}, which some nodes of ${plan} lack.`,
    "# A stopgap for when no CPU template is set. It affects only the libraries named below, when they",
    "# start, and not processes already in a snapshot. CPUID still shows these features.",
    ...settings.flatMap(settingLines),
    ...(left.length > 0 ? ["", "# Not covered: only a CPU template helps here."] : []),
    ...left.map(({ name, why }) => `#   ${name}: ${why}`),
    "",
  ].join("\n");
}

export async function runEnv(flags: EnvFlags): Promise<number> {
  const { plan } = loadPlan(flags.plan);
  if (archOf(plan.type) !== "x86_64") {
    throw new CliError(
      "USAGE",
      `${flags.plan} is ${archOf(plan.type)}; variables exist for x86-64 only`,
    );
  }
  const hidden = hiddenBy(plan);
  const result = await narrowing(flags, hidden);
  const text =
    flags.json === true
      ? prettyJson({ hidden: [...hidden], ...result })
      : envFile(flags.plan, hidden, result);
  process.stdout.write(text);
  return result.left.length > 0 ? 1 : 0;
}
