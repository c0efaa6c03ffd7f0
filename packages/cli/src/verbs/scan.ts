/** Verbs about binaries and images: what do they need, and what narrows them? */
import { given, verb, type Parent, type SetExit } from "./arguments.ts";

export function addScanVerbs(program: Parent, setExit: SetExit): void {
  verb(program, "scan")
    .summary("which CPU features does this binary, directory or image need?")
    .description(
      "Reads machine code: executables, libraries, static archives, directories, container images, packages (deb, rpm, wheels, JARs), archives, file systems, disks, initramfs. With a pool, says what each file would do there; exit code 0 only if all are fine or lose only speed, and everything was read; 2 if nothing could be read.",
    )
    .argument("<path...>", "files, directories and images")
    .option("--plan <path>", "judge for guests of this plan")
    .option("--node <profile...>", "judge for guests without a template on these nodes")
    .option("--allow-unread", "do not fail if something could not be read")
    .option("--details", "every feature of every file")
    .option("--json", "print files, features and judgements as JSON")
    .action(async (paths, flags) => {
      const { runScan } = await import("../commands/scan.ts");
      setExit(await runScan(paths, given(flags)));
    });
  verb(program, "env")
    .summary("environment variables that limit libraries to a pool's CPU")
    .description(
      "For orchestrators that set no CPU template: prints an environment file (systemd, docker --env-file) that keeps glibc, OpenSSL, OpenBLAS, NumPy, Go, Java and others from using features that some nodes of the plan lack. With --for, prints only what those programs need; exit code 1 if some of their code has no such variable.",
    )
    .requiredOption("--plan <path>", "the pool's plan, or its directory")
    .option("--for <path>", "limit the output to what this program, directory or image needs")
    .option("--json", "print the settings as JSON")
    .action(async (flags) => {
      const { runEnv } = await import("../commands/env.ts");
      setExit(await runEnv(given(flags)));
    });
}
