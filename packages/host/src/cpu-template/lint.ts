/** Linting a loaded template on a node: the same findings for every command that asks. */
import {
  CoreError,
  formatTemplate,
  isAccepted,
  lintTemplate,
  type CpuTemplate,
  type LintFinding,
  type NodeProfile,
} from "@evenkeel/core";
import type { LoadedTemplate } from "./source.ts";

interface Group {
  readonly template: CpuTemplate;
  readonly lines: string[];
}

/** Release lines under which the template is the same: built-in ones have changed over time. */
function groupLines(loaded: LoadedTemplate, lines: readonly string[]): Group[] {
  const groups = new Map<string, Group>();
  for (const line of lines) {
    const template = loaded.templateFor(line);
    if (template === undefined) continue;
    const key = loaded.builtIn === undefined ? "" : formatTemplate(template);
    const group = groups.get(key) ?? { template, lines: [] };
    group.lines.push(line);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function onlyOnce(findings: readonly LintFinding[]): LintFinding[] {
  const key = ({ rule, severity, path, address, name, message }: LintFinding) =>
    [rule, severity, path, address, name, message].join("\n");
  return [...new Map(findings.map((finding) => [key(finding), finding])).values()];
}

/** Throws UNKNOWN_VENDOR where nothing is known about the node's CPU. */
export function lintLoaded(
  loaded: LoadedTemplate,
  profile: NodeProfile,
  lines: readonly string[],
): LintFinding[] {
  const builtIn = loaded.builtIn?.row;
  const armBuiltIn = loaded.builtIn?.name;
  return onlyOnce(
    groupLines(loaded, lines).flatMap((group) => {
      const linted = { template: group.template, builtIn, armBuiltIn };
      const findings = lintTemplate(linted, profile, group.lines);
      if (findings !== undefined) return findings;
      const message = `${profile.name}: its CPU vendor is unknown`;
      throw new CoreError("UNKNOWN_VENDOR", [{ path: "", message }]);
    }),
  );
}

/** Whether the operator accepted an error when the pool was planned (`plan --accept`). */
export function isPlanned({ accepted, class: id }: LoadedTemplate, finding: LintFinding): boolean {
  return id !== undefined && isAccepted(accepted, id, finding);
}
