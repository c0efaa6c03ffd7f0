/** Completions for zsh. */
import { allCommands, firstLine, type TreeCommand, type TreeOption } from "./tree.ts";

/** Inside single quotes, and inside the brackets or before the colon of a specification. */
function quoted(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, String.raw`\$&`).replaceAll("'", String.raw`'\''`);
}

function optionSpec({ short, long, takesValue, help }: TreeOption): string {
  const name =
    short !== undefined && long !== undefined
      ? `'(${short} ${long})'{${short},${long}}`
      : (long ?? short ?? "");
  return `${name}'[${quoted(firstLine(help))}]${takesValue ? ":value:_files" : ""}'`;
}

function functionName(path: readonly string[]): string {
  return ["_evenkeel", ...path].join("_").replaceAll("-", "_");
}

function leaf({ path, options }: TreeCommand): string {
  const specs = [...options.map(optionSpec), "'*:file:_files'"].join(" \\\n    ");
  return `${functionName(path)}() {\n  _arguments -s \\\n    ${specs}\n}\n`;
}

function branch({ path, options, commands }: TreeCommand): string {
  const described = commands.map(
    (command) => `    '${command.path.at(-1)}:${quoted(firstLine(command.summary))}'`,
  );
  const cases = commands.map(
    (command) => `        ${command.path.at(-1)}) ${functionName(command.path)} ;;`,
  );
  const specs = [...options.map(optionSpec), "'1:command:->command'", "'*::argument:->rest'"];
  return `${functionName(path)}() {
  local state line
  local -a commands
  commands=(
${described.join("\n")}
  )
  _arguments -C -s \\
    ${specs.join(" \\\n    ")}
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
${cases.join("\n")}
      esac ;;
  esac
}
`;
}

export function zshCompletion(tree: TreeCommand): string {
  const functions = allCommands(tree).map((command) =>
    command.commands.length > 0 ? branch(command) : leaf(command),
  );
  return `#compdef evenkeel\n\n${functions.join("\n")}\nif [[ $funcstack[1] = _evenkeel ]]; then _evenkeel "$@"; else compdef _evenkeel evenkeel; fi\n`;
}
