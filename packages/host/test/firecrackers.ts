/** What the tests run as Firecracker: the double always, a real one where it is given. */
import { execFileSync } from "node:child_process";
import { installDouble, type DoubleSettings } from "@evenkeel/firecracker-double";

export interface Backend {
  readonly name: string;
  readonly version: string;
  /** Puts the binary into a directory, if it has to be put, and returns its path. */
  readonly binary: (directory: string, settings?: Partial<DoubleSettings>) => string;
}

export function doubleOf(version: string): Backend {
  return {
    name: `the double of ${version}`,
    version,
    binary: (directory, settings) => installDouble(directory, { version, ...settings }).path,
  };
}

function realBackend(binary: string): Backend {
  const said = execFileSync(binary, ["--version"], { encoding: "utf8" });
  const version = /v(\d+\.\d+\.\d+)/.exec(said)?.[1] ?? "";
  return { name: `Firecracker ${version}`, version, binary: () => binary };
}

const real = process.env["EVENKEEL_FIRECRACKER"];
if (real === undefined) {
  process.stdout.write("skipped on a real Firecracker: EVENKEEL_FIRECRACKER is not set\n");
}

export const BACKENDS: readonly Backend[] = [
  doubleOf("1.14.1"),
  ...(real === undefined ? [] : [realBackend(real)]),
];
