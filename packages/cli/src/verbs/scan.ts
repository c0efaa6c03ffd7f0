/** The verb about binaries and images: what do they need? */
import type { Command } from "commander";
import type { SetExit } from "./arguments.ts";

export function addScanVerbs(program: Command, setExit: SetExit): void {
  program
    .command("scan")
    .summary("which CPU features does this binary, directory or image need?")
    .description(
      "Reads machine code: executables, libraries, static archives, directories, container\n" +
        "images (OCI, docker save), tar archives, ext4 images and initramfs. With a pool, says\n" +
        "what each file does there; exit code 0 only if all are fine or lose nothing but speed.",
    )
    .argument("<path...>", "files, directories and images")
    .option("--plan <path>", "judge in guests of this plan")
    .option("--node <profile...>", "judge in guests without a template on these nodes")
    .option("--details", "every feature of every file")
    .option("--json", "print files, features and judgements as JSON")
    .action(async (paths: string[], flags: object) => {
      const { runScan } = await import("../commands/scan.ts");
      setExit(await runScan(paths, flags));
    });
}
