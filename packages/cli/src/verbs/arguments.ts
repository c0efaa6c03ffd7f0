/** What the verbs' arguments and options have in common. */
import type { Command } from "@commander-js/extra-typings";

/** Sets the exit code of the command that ran. */
export type SetExit = (code: number) => void;

/** The program, or a verb with verbs of its own. */
export interface Parent {
  readonly command: (name: string) => unknown;
}

/** A new verb. The types of its action's arguments follow from its arguments and options. */
export function verb(parent: Parent, name: string): Command {
  return parent.command(name) as Command;
}

type Given<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** Flags without those that were not given. */
export function given<T extends object>(flags: T): Given<T> {
  const entries = Object.entries(flags).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}

export const FILES =
  "profiles: fingerprints, template dumps, raw CPU dumps, evenkeel profiles; directories of them; - for stdin";

export const NODES = "the nodes' profiles, or directories of them";

/** Every form in which a command takes a template. */
export const WHAT = "a built-in template's name, a template's file, a plan.json or its directory";

/** An option that may be given more than once, without swallowing the files after it. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** For verbs that read profiles: a raw dump is an estimate for a host kernel it does not name. */
export const KERNEL = [
  "--kernel <release>",
  "host kernel of raw CPU dumps, which are estimates (default: 6.1)",
] as const;

/** For verbs that print a list. */
export const OUTPUT = ["-o, --output <format>", "wide, json, yaml or name"] as const;

export const KVM_OPTION = ["--kvm <path>", "KVM's device", "/dev/kvm"] as const;

/** What may happen to a fleet, for verbs that simulate it. */
export const CHANGES = {
  remove: ["--remove <node>", "remove a node, or all nodes of a class, repeatable", collect],
  add: ["--add <profile>", "add a node, repeatable", collect],
  with: ["--with <model[@kernel]>", "add a catalogue model's estimate, repeatable", collect],
  replace: [
    "--replace <node=profile>",
    "replace a node, or each node of a class, by this profile, repeatable",
    collect,
  ],
  firecracker: ["--firecracker <version...>", "all nodes get these Firecracker releases"],
} as const;
