/** What a test wants of this double: a JSON file named by EVENKEEL_DOUBLE. */
import { readFileSync } from "node:fs";

/** How the process ends instead of answering. */
export interface Ending {
  readonly code?: number;
  readonly signal?: NodeJS.Signals;
  readonly stderr?: string;
}

interface Fault {
  /** 400 unless told otherwise. */
  readonly status?: number;
  readonly message: string;
}

/** A call as `METHOD /path`, such as `PUT /snapshot/load`; or `start`, before the socket is there. */
type Call = string;

export interface DoubleSettings {
  /** The Firecracker version it passes for, such as `1.14.1`. */
  readonly version: string;
  /** The profile of the node it runs on; without one, guests have no CPU to be judged. */
  readonly profile?: string;
  /** The architecture whose templates it takes; that of the profile, where there is one. */
  readonly arch?: "x86_64" | "aarch64";
  /** Milliseconds to wait before a call is looked at. */
  readonly delays?: Readonly<Record<Call, number>>;
  readonly faults?: Readonly<Record<Call, Fault>>;
  readonly endings?: Readonly<Record<Call, Ending>>;
  /** Lines that a guest prints once it runs, instead of the double's own. */
  readonly console?: readonly string[];
}

const DEFAULTS = { version: "1.14.1", arch: "x86_64" } as const satisfies DoubleSettings;

/** Read anew at each call, so that a test may change its mind while the double runs. */
export function readSettings(): DoubleSettings & Required<Pick<DoubleSettings, "arch">> {
  const path = process.env["EVENKEEL_DOUBLE"];
  if (path === undefined) return DEFAULTS;
  return { ...DEFAULTS, ...(JSON.parse(readFileSync(path, "utf8")) as Partial<DoubleSettings>) };
}
