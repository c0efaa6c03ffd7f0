/** A manual page per command, from the same tree as the help. */
import {
  firstLine,
  type TreeCommand,
  type TreeOption,
} from "../packages/cli/src/completion/tree.ts";

/** Text in roff: no line of it is a request, and a hyphen stays a hyphen. */
function roff(text: string): string {
  return text
    .replaceAll("\\", String.raw`\e`)
    .replaceAll("-", String.raw`\-`)
    .replaceAll(/^(?=[.'])/gm, String.raw`\&`);
}

const nameOf = (path: readonly string[]) => ["evenkeel", ...path].join("-");

function optionText({ flags, help, default: value }: TreeOption): string {
  const by = value === undefined ? "" : `\nDefault: ${value}.`;
  return `.TP\n.B ${roff(flags)}\n${roff(help + by)}`;
}

function section(title: string, body: readonly string[]): string[] {
  return body.length === 0 ? [] : [`.SH ${title}`, ...body];
}

const EXIT_STATUS = [
  [0, "yes, or nothing to do"],
  [1, "no: incompatible, a difference, an error in a template"],
  [2, "usage or bad input"],
  [3, "the environment failed: no KVM, no Firecracker, no space"],
] as const;

function seeAlso({ path, commands }: TreeCommand): string {
  const others = [
    ...(path.length > 0 ? [path.slice(0, -1)] : []),
    ...commands.map((command) => command.path),
  ];
  return others.map((other) => `.BR ${roff(nameOf(other))} (1)`).join(" ,\n");
}

export interface ManualPage {
  readonly file: string;
  readonly text: string;
}

/** `date` as in `2026-11-26`. */
export function manualPage(command: TreeCommand, version: string, date: string): ManualPage {
  const name = nameOf(command.path);
  const synopsis = ["evenkeel", ...command.path].join(" ");
  const lines = [
    `.TH ${name.toUpperCase()} 1 "${date}" "evenkeel ${version}" "evenkeel manual"`,
    ".SH NAME",
    `${roff(name)} \\- ${roff(firstLine(command.summary))}`,
    ".SH SYNOPSIS",
    `.B ${roff(synopsis)}\n${roff(command.usage)}`,
    ".SH DESCRIPTION",
    roff(command.description),
    ...section(
      "COMMANDS",
      command.commands.map(
        ({ path, summary }) => `.TP\n.B ${path.at(-1)}\n${roff(firstLine(summary))}`,
      ),
    ),
    ...section(
      "ARGUMENTS",
      command.arguments.map((each) => `.TP\n.I ${roff(each.name)}\n${roff(each.help)}`),
    ),
    ...section("OPTIONS", command.options.map(optionText)),
    ...section(
      "EXAMPLES",
      command.examples.map((line) => `.PP\n.nf\n${roff(line)}\n.fi`),
    ),
    ...section(
      "EXIT STATUS",
      EXIT_STATUS.map(([code, means]) => `.TP\n.B ${code}\n${roff(means)}`),
    ),
    ...section(
      "SEE ALSO",
      [seeAlso(command)].filter((text) => text !== ""),
    ),
  ];
  return { file: `${name}.1`, text: `${lines.join("\n")}\n` };
}
