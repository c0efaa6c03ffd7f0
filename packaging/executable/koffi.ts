/**
 * Koffi's native part out of the executable. The loader of shared libraries wants a file: it gets
 * one that only this user can write, for as long as it takes to load it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { getRawAsset } from "node:sea";

/** Any of them may be mounted so that nothing there can be executed. */
const PLACES = [tmpdir(), "/run", "/dev/shm", "/var/tmp", process.cwd()];

function loadFrom(place: string): unknown {
  const directory = mkdtempSync(join(place, "evenkeel-"));
  try {
    const file = join(directory, "koffi.node");
    writeFileSync(file, new Uint8Array(getRawAsset("koffi.node") as ArrayBuffer), { mode: 0o500 });
    const loaded = { exports: {} };
    process.dlopen(loaded, file, constants.dlopen.RTLD_NOW);
    return loaded.exports;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function load(): unknown {
  const reasons = new Map<string, string>();
  for (const place of PLACES) {
    try {
      return loadFrom(place);
    } catch (error) {
      reasons.set(place, error instanceof Error ? error.message : String(error));
    }
  }
  const told = [...reasons].map(([place, reason]) => `${place}: ${reason}`);
  throw new Error(`no directory to load a library from (${told.join("; ")})`);
}

// oxlint-disable-next-line import/no-default-export -- as koffi exports itself
export default load();
