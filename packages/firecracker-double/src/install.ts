/** Putting a double where a Firecracker is looked for. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadProfile } from "./guest.ts";
import type { DoubleSettings } from "./settings.ts";

export type { DoubleSettings } from "./settings.ts";

const MAIN = fileURLToPath(new URL("../bin/firecracker.js", import.meta.url));

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

export interface InstalledDouble {
  /** The executable. */
  readonly path: string;
  /** Changes what running and future doubles of this executable do. */
  readonly change: (settings: DoubleSettings) => void;
}

/** Puts `VERSION/firecracker` into a directory of Firecracker versions. The build must be done. */
export function installDouble(
  versionsDirectory: string,
  settings: DoubleSettings,
): InstalledDouble {
  const directory = join(versionsDirectory, settings.version);
  const path = join(directory, "firecracker");
  const file = join(directory, "double.json");
  mkdirSync(directory, { recursive: true });
  const change = (changed: DoubleSettings) => {
    const { profile } = changed;
    const arch = profile === undefined ? {} : { arch: loadProfile(profile).cpu.arch };
    writeFileSync(file, JSON.stringify({ ...arch, ...changed }));
  };
  change(settings);
  const node = quoted(process.execPath);
  writeFileSync(
    path,
    `#!/bin/sh\nEVENKEEL_DOUBLE=${quoted(file)} exec ${node} ${quoted(MAIN)} "$@"\n`,
  );
  chmodSync(path, 0o755);
  return { path, change };
}
