/** The Firecracker versions of this machine. */
import { askFirecrackers, FIRECRACKER_DIRECTORY, type Answers } from "@evenkeel/host";
import { CliError } from "../errors.ts";

/** Named by the flag, else by the environment, else where E2B's orchestrator looks. */
export function firecrackerDirectory(given: string | undefined): string {
  return given ?? process.env["FIRECRACKER_VERSIONS_DIR"] ?? FIRECRACKER_DIRECTORY;
}

/** `given`: a directory named by the user, which must exist; the default one need not. */
export async function installedFirecrackers(
  given: string | undefined,
): Promise<Answers & { readonly directory: string }> {
  const directory = firecrackerDirectory(given);
  const named = directory !== FIRECRACKER_DIRECTORY;
  try {
    return { directory, ...(await askFirecrackers(directory)) };
  } catch (error) {
    if (!named) return { directory, versions: [], problems: [] };
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("UNREADABLE", `${directory}: ${reason}`, { cause: error });
  }
}
