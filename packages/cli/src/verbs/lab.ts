/** The lab: a mixed pool on this machine. */
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

export function addLabVerbs(program: Command, setExit: SetExit): void {
  program
    .command("lab")
    .summary("emulate a mixed pool here: watch guests crash, apply the plan, watch them not")
    .description(
      "Emulates nodes of unlike CPUs with QEMU, takes a guest's snapshot on each, and resumes it\n" +
        "on every other: first without a plan, then with the plan made from what the guests saw.\n" +
        "Verdicts and plans are held against what happens. Exit code 0 only if nothing said to be\n" +
        "compatible died and no prediction was wrong. Needs no KVM.",
    )
    .option(
      "--nodes <models>",
      "QEMU CPU models with switches: Haswell-noTSX,-avx2,EPYC-Rome",
      "Broadwell-noTSX,Haswell-noTSX,Haswell-noTSX,-avx2,-bmi2",
    )
    .option("--pool <which>", "plan, none, or a CPU template: a file or a built-in name", "plan")
    .option("--kernel <path>", "the guests' kernel (default: this machine's, or Debian's)")
    .option("--initrd <path>", "an initramfs or a static program instead of the canary")
    .option("--image <path>", "the same as --initrd")
    .option("--rounds <n>", "how often every move is made", "1")
    .option("--json", "print everything as JSON")
    .action(async (flags: object) => {
      const { runLabCommand } = await import("../commands/lab.ts");
      setExit(await runLabCommand(flags as Parameters<typeof runLabCommand>[0]));
    });
}
