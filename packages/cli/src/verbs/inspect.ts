/** Verbs that decode files into names. */
import { given, KERNEL, verb, WHAT, type Parent, type SetExit } from "./arguments.ts";

function addShow(program: Parent, setExit: SetExit): void {
  verb(program, "show")
    .summary("what is in this profile, dump, template, plan or contract, in names")
    .description(
      "Decodes a profile, a fingerprint, a raw CPU dump, a CPU template, a plan or a contract into names.",
    )
    .argument("<what>", `a file, - for stdin; or ${WHAT}`)
    .option(
      "--node <profile>",
      "the node's profile: show the CPU template that this node boots with",
    )
    .option("--fields", "every field with its address, not only features")
    .option(...KERNEL)
    .option("--json", "print the fields as JSON")
    .action(async (what, flags) => {
      const { runShow } = await import("../commands/show.ts");
      setExit(runShow(what, given(flags)));
    });
}

function addConvert(program: Parent, setExit: SetExit): void {
  verb(program, "convert")
    .summary("a fingerprint or a raw CPU dump as an evenkeel profile")
    .description(
      "Writes any file that describes a node as an evenkeel profile. A raw dump becomes an estimate for the host kernel given with --kernel.",
    )
    .argument("<file>", "the file; - for stdin")
    .option("--name <node>", "the node's name (default: the file name)")
    .option(...KERNEL)
    .option("-o, --out <file>", "write it there")
    .option("--json", "the result is JSON already; print errors as JSON too")
    .action(async (file, flags) => {
      const { runConvert } = await import("../commands/convert.ts");
      setExit(runConvert(file, given(flags)));
    });
}

function addDiff(program: Parent, setExit: SetExit): void {
  verb(program, "diff")
    .summary("what differs between two profiles, templates or plans, in names")
    .description("Prints the differences by name, with both values. Exit code 1 if there are any.")
    .argument("<a>", "a file; - for stdin")
    .argument("<b>", "a file; - for stdin")
    .option(...KERNEL)
    .option("--json", "print the differences as JSON")
    .action(async (a, b, flags) => {
      const { runDiff } = await import("../commands/diff.ts");
      setExit(runDiff(a, b, given(flags)));
    });
}

export function addInspectVerbs(program: Parent, setExit: SetExit): void {
  for (const add of [addShow, addConvert, addDiff]) add(program, setExit);
}
