/** A HOST_PROC directory: what readers find there, and how to point them to it. */
import type { HostProcNews } from "@evenkeel/host";
import { heading, labelled, paragraph } from "./layout.ts";

const COLUMN = 12;

/** For a systemd unit: it sees this file instead of /proc/cpuinfo, and nothing else changes. */
export function dropIn(at: string): string {
  const file = `${at}/cpuinfo`.replaceAll(/[\\" :]/g, String.raw`\$&`).replaceAll("%", "%%");
  return `[Service]\nBindReadOnlyPaths=${file}:/proc/cpuinfo\n`;
}

export function hostProcReport(at: string, news: HostProcNews): string {
  const { record, name, before, changed } = news;
  const did = before === undefined ? "Wrote" : changed ? "Updated" : "Up to date:";
  const restart =
    before === undefined || before === record.model
      ? []
      : [
          "",
          ...paragraph(
            `The model was ${before}. An orchestrator reads it only at startup: restart the running one.`,
            0,
          ),
        ];
  return [
    heading(`${did} ${at}`),
    ...labelled("model", [record.model], 2, COLUMN),
    ...(name === undefined ? [] : labelled("name", name.split(" "), 2, COLUMN)),
    ...labelled("node", `${record.node}, class ${record.class}`.split(" "), 2, COLUMN),
    ...labelled("plan", `sha256 ${record.plan.slice(0, 12)}`.split(" "), 2, COLUMN),
    ...restart,
    "",
    ...paragraph(`Start the orchestrator with HOST_PROC=${at}, or see --drop-in.`, 0),
    "",
  ].join("\n");
}
