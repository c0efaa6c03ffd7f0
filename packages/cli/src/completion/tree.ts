/** The tree of commands as data, for completions and manual pages. */
import type { Command } from "commander";
import { EXAMPLES } from "../examples.ts";

export interface TreeOption {
  /** As the help shows it: `-o, --out <dir>`. */
  readonly flags: string;
  readonly short: string | undefined;
  readonly long: string | undefined;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  readonly help: string;
  readonly default: string | undefined;
}

export interface TreeCommand {
  /** The words behind `evenkeel`: `[]`, `["launcher", "install"]`. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly usage: string;
  readonly arguments: readonly { readonly name: string; readonly help: string }[];
  readonly options: readonly TreeOption[];
  readonly examples: readonly string[];
  readonly commands: readonly TreeCommand[];
}

export function treeOf(command: Command, path: readonly string[] = []): TreeCommand {
  const help = command.createHelp();
  return {
    path,
    summary: command.summary() || command.description(),
    description: command.description() || command.summary(),
    usage: command.usage(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      help: argument.description,
    })),
    options: help.visibleOptions(command).map((option) => ({
      flags: option.flags,
      short: option.short,
      long: option.long,
      takesValue: option.required || option.optional,
      help: option.description,
      default:
        typeof option.defaultValue === "string" || typeof option.defaultValue === "number"
          ? String(option.defaultValue)
          : undefined,
    })),
    examples: EXAMPLES[path.join(" ")] ?? [],
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== "help")
      .map((child) => treeOf(child, [...path, child.name()])),
  };
}

/** A command and all below it, the command first. */
export function allCommands(tree: TreeCommand): TreeCommand[] {
  return [tree, ...tree.commands.flatMap(allCommands)];
}

/** The first line, for lists in which each command or option has one. */
export function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
