/** The command reference, from the tree that the help is made of. */
import {
  allCommands,
  firstLine,
  treeOf,
  type TreeCommand,
} from "../../packages/cli/src/completion/tree.ts";
import { programOf } from "../../packages/cli/src/program.ts";

export function commandTree(): TreeCommand {
  return treeOf(programOf(() => undefined));
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, " ");

function table(
  head: readonly [string, string],
  rows: readonly (readonly [string, string])[],
): string[] {
  if (rows.length === 0) return [];
  return [
    "",
    `| ${head[0]} | ${head[1]} |`,
    "| --- | --- |",
    ...rows.map(([name, text]) => `| \`${cell(name)}\` | ${cell(text)} |`),
  ];
}

function commandText({
  path,
  description,
  usage,
  options,
  arguments: given,
  examples,
}: TreeCommand) {
  const name = ["evenkeel", ...path].join(" ");
  return [
    "",
    `## ${name}`,
    "",
    description.replaceAll(/[<>*_]/g, String.raw`\$&`),
    "",
    "```text",
    `${name} ${usage}`.trim(),
    "```",
    ...table(
      ["argument", "means"],
      given.map((one) => [one.name, one.help]),
    ),
    ...table(
      ["option", "means"],
      options.map(({ flags, help, default: value }) => [
        flags,
        value === undefined ? help : `${help} (default ${value})`,
      ]),
    ),
    ...(examples.length === 0 ? [] : ["", "```sh", ...examples, "```"]),
  ];
}

/** Markdown. */
export function commandReference(): string {
  const all = allCommands(commandTree()).slice(1);
  const list = all.map(
    ({ path, summary }) =>
      `- [evenkeel ${path.join(" ")}](#evenkeel-${path.join("-")}): ${firstLine(summary).replaceAll(/[<>*_[\]]/g, String.raw`\$&`)}`,
  );
  return ["# Commands", "", ...list, ...all.flatMap(commandText), ""].join("\n");
}
