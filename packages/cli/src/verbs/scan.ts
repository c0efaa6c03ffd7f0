/** The verb about binaries and images: what do they need? */
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

export function addScanVerbs(program: Command, setExit: SetExit): void {
  program
    .command("scan")
    .summary("which CPU features does this binary, directory or image need?")
    .description(
      "Reads machine code: executables, libraries, static archives, directories, container\n" +
        "images, packages (deb, rpm, wheels, JARs), archives, file systems, disks, initramfs.\n" +
        "With a pool, says what each file does there; exit code 0 only if all are fine or lose\n" +
        "nothing but speed, and everything was read; 2 where nothing could be read.",
    )
    .argument("<path...>", "files, directories and images")
    .option("--plan <path>", "judge in guests of this plan")
    .option("--node <profile...>", "judge in guests without a template on these nodes")
    .option("--allow-unread", "do not fail where something could not be read")
    .option("--details", "every feature of every file")
    .option("--json", "print files, features and judgements as JSON")
    .action(async (paths: string[], flags: object) => {
      const { runScan } = await import("../commands/scan.ts");
      setExit(await runScan(paths, flags));
    });
}
