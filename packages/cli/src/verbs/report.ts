/** Verbs that make something to look at. */
import { given, KERNEL, verb, type Parent, type SetExit } from "./arguments.ts";

export function addReportVerbs(program: Parent, setExit: SetExit): void {
  verb(program, "report")
    .summary("a pool, plan, matrix, lab result, drift or scan as one HTML file to look at")
    .description(
      "Writes one HTML file that loads nothing: open it from disk, mail it, attach it to a ticket. Node profiles are judged and planned on the spot; plans, and what matrix, plan --split, lab, drift, verify and scan print with --json, are shown as they are.",
    )
    .argument("[path...]", "files, or directories of profiles or plans; - for stdin")
    .option("-o, --out <file>", "write the page there")
    .option("--svg <dir>", "write each picture there as an SVG file")
    .option("--title <text>", "the page's title")
    .option("--example", "add the two nodes of the example pool that comes with evenkeel")
    .option(
      "--firecracker <version>",
      "Firecracker release for profiles that name none, and for resumes",
    )
    .option(...KERNEL)
    .option("--json", "print the files that were written as JSON")
    .action(async (paths, flags) => {
      const { runReport } = await import("../commands/report.ts");
      setExit(runReport(paths, given(flags)));
    });
}
