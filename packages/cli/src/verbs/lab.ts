/** The lab: a mixed pool on this machine. */
import { given, verb, type Parent, type SetExit } from "./arguments.ts";

export function addLabVerbs(program: Parent, setExit: SetExit): void {
  verb(program, "lab")
    .summary("emulate a mixed-CPU pool: watch guests crash, apply the plan, watch them survive")
    .description(
      "Emulates nodes with different CPUs in QEMU, takes a guest's snapshot on each, and resumes it on every other: first without a plan, then with the plan made from what the guests saw. Compares verdicts and plans with what happens. Exit code 0 only if no guest died after a compatible verdict and every prediction was right. Needs no KVM.",
    )
    .option(
      "--nodes <models>",
      "QEMU CPU models, each with optional switches: Haswell-noTSX,-avx2,EPYC-Rome",
      "Broadwell-noTSX,Haswell-noTSX,Haswell-noTSX,-avx2,-bmi2",
    )
    .option("--pool <which>", "plan, none, or a CPU template: a file or a built-in name", "plan")
    .option("--kernel <path>", "the guests' kernel (default: this machine's, or Debian's)")
    .option("--initrd <path>", "an initramfs or a static program instead of the canary")
    .option("--image <path>", "the same as --initrd")
    .option("--rounds <n>", "how many times each move is made", "1")
    .option("--json", "print everything as JSON")
    .action(async (flags) => {
      const { runLabCommand } = await import("../commands/lab.ts");
      setExit(await runLabCommand(given(flags)));
    });
}
