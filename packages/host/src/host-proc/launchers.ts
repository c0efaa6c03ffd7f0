/** Whether every Firecracker of this machine starts with a plan's template. */
import { findFirecrackers } from "../firecracker/find.ts";
import { launcherAt } from "../launcher/files.ts";
import type { LauncherRecord } from "../launcher/script.ts";

export interface FoundLauncher {
  /** The directory's name. */
  readonly version: string;
  readonly path: string;
  /** Undefined: a Firecracker without a launcher. */
  readonly record: LauncherRecord | undefined;
  /** Why guests that boot here do not get the template; empty if they do, or do not start. */
  readonly problems: readonly string[];
}

/** `digest`: of the template as it is sent, which the launchers must have; undefined: any. */
export function launchersIn(directory: string, digest: string | undefined): FoundLauncher[] {
  const installed = findFirecrackers({ FIRECRACKER_VERSIONS_DIR: directory });
  return installed.map(({ version, path }) => {
    const record = launcherAt(path);
    if (record === undefined) {
      return { version, path, record, problems: [`${path} is not a launcher`] };
    }
    const differs = digest !== undefined && record.digest !== digest;
    const template = `the launcher at ${path} has another template: ${record.source}`;
    return { version, path, record, problems: differs ? [template] : [] };
  });
}
