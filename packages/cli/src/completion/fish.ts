/** Completions for fish. */
import { allCommands, firstLine, type TreeCommand, type TreeOption } from "./tree.ts";

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}

/** Where the words so far are those of `path`, and none of the commands below it. */
function condition({ path, commands }: TreeCommand): string {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const names = commands.map((command) => command.path.at(-1)).join(" ");
  if (path.length === 0) return "-n __fish_use_subcommand";
  return `-n ${quoted([...seen, ...(names === "" ? [] : [`not __fish_seen_subcommand_from ${names}`])].join("; and "))}`;
}

function option(where: string, { short, long, takesValue, help }: TreeOption): string {
  const names = [
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
  ];
  const value = takesValue ? " -r" : "";
  return `complete -c evenkeel ${where} ${names.join(" ")}${value} -d ${quoted(firstLine(help))}`;
}

function lines(command: TreeCommand): string[] {
  const where = condition(command);
  return [
    ...command.commands.map(
      ({ path, summary }) =>
        `complete -c evenkeel ${where} -f -a ${path.at(-1)} -d ${quoted(firstLine(summary))}`,
    ),
    ...command.options.map((each) => option(where, each)),
  ];
}

export function fishCompletion(tree: TreeCommand): string {
  return `# fish completion for evenkeel\n${allCommands(tree).flatMap(lines).join("\n")}\n`;
}
