/** Verbs that decode files into names. */
import type { Command } from "commander";
import { KERNEL, type SetExit } from "./arguments.ts";

export function addInspectVerbs(program: Command, setExit: SetExit): void {
  program
    .command("show")
    .summary("what is in this profile, dump, template or plan, in names")
    .description(
      "Decodes a profile, a fingerprint, a raw CPU dump, a CPU template or a plan into names.",
    )
    .argument("<what>", "a file, - for stdin; a built-in template's name; a plan's directory")
    .option("--node <profile>", "the CPU template that this node boots with")
    .option("--fields", "every field with its address, not only features")
    .option(...KERNEL)
    .option("--json", "print the fields as JSON")
    .action(async (file: string, flags: object) => {
      const { runShow } = await import("../commands/show.ts");
      setExit(runShow(file, flags));
    });

  program
    .command("convert")
    .summary("a fingerprint or a raw CPU dump as an evenkeel profile")
    .description(
      "Writes any file that describes a node as an evenkeel profile. A raw dump\n" +
        "becomes an estimate for the host kernel that is named.",
    )
    .argument("<file>", "the file; - for stdin")
    .option("--name <node>", "the node's name (default: the file's)")
    .option(...KERNEL)
    .option("-o, --out <file>", "write it there")
    .option("--json", "the result is JSON already; errors are printed as JSON too")
    .action(async (file: string, flags: object) => {
      const { runConvert } = await import("../commands/convert.ts");
      setExit(runConvert(file, flags));
    });

  program
    .command("diff")
    .summary("what differs between two profiles, templates or plans, in names")
    .description("Prints named differences with both values. Exit code 1 where there are any.")
    .argument("<a>", "a file; - for stdin")
    .argument("<b>", "a file; - for stdin")
    .option(...KERNEL)
    .option("--json", "print the differences as JSON")
    .action(async (a: string, b: string, flags: object) => {
      const { runDiff } = await import("../commands/diff.ts");
      setExit(runDiff(a, b, flags));
    });
}
