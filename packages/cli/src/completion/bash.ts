/** Completions for bash. */
import { allCommands, type TreeCommand } from "./tree.ts";

function words({ commands, options }: TreeCommand): string {
  const names = commands.map(({ path }) => path.at(-1) ?? "");
  return [...names, ...options.flatMap(({ short, long }) => [long ?? short ?? ""])].join(" ");
}

/** A word is a command where the tree goes on; anything else is an option, its value, or a file. */
export function bashCompletion(tree: TreeCommand): string {
  const all = allCommands(tree);
  const below = all
    .filter(({ path }) => path.length > 0)
    .map(
      ({ path }) =>
        `      "${path.slice(0, -1).join(" ")}:${path.at(-1)}") at="${path.join(" ")}" ;;`,
    );
  const offered = all.map(
    (command) => `    "${command.path.join(" ")}") words="${words(command)}" ;;`,
  );
  return `# bash completion for evenkeel

_evenkeel() {
  local at="" words="" current="\${COMP_WORDS[COMP_CWORD]}" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at:\${COMP_WORDS[i]}" in
${below.join("\n")}
    esac
  done
  case "$at" in
${offered.join("\n")}
  esac
  # Without a dash, only commands are words; files follow by the default of \`complete\`.
  if [[ $current != -* ]]; then
    words=" $words"
    words="\${words%% -*}"
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o bashdefault -o default -F _evenkeel evenkeel
`;
}
