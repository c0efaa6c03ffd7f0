/**
 * Users and names on a host belong to one data directory: a slot is taken down by killing all that
 * its user runs, so two agents with the same users would end each other's microVMs.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { HostError } from "../errors.ts";
import { MOST_SLOTS } from "./names.ts";

/** Gone with a reboot, as the processes are. */
const CLAIMS = "/run/evenkeel/isolation";

export interface Claim {
  /** Without symbolic links. */
  readonly directory: string;
  readonly tag: string;
  readonly firstId: number;
}

function read(path: string): Claim | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Claim;
  } catch {
    // Half-written, or just removed: it means nothing.
    return undefined;
  }
}

/** Claims of other data directories; claims of directories that no longer exist are removed. */
function others(claims: string, { directory }: Claim): Claim[] {
  const names = readdirSync(claims).filter((name) => name.endsWith(".json"));
  return names.flatMap((name) => {
    const other = read(join(claims, name));
    if (other === undefined || other.directory === directory) return [];
    if (existsSync(other.directory)) return [other];
    rmSync(join(claims, name), { force: true });
    return [];
  });
}

/** Throws NO_ISOLATION if another data directory uses these users or this tag. */
export function claim(own: Claim, claims: string = CLAIMS): void {
  mkdirSync(claims, { recursive: true, mode: 0o700 });
  for (const { directory, tag, firstId } of others(claims, own)) {
    if (Math.abs(firstId - own.firstId) < MOST_SLOTS) {
      const message = `users from ${firstId} on belong to ${directory}: give --first-user ${MOST_SLOTS} or more away`;
      throw new HostError("NO_ISOLATION", message);
    }
    if (tag === own.tag) {
      throw new HostError(
        "NO_ISOLATION",
        `${directory} uses the same names: use another data directory`,
      );
    }
  }
  const path = join(claims, `${own.tag}.json`);
  writeFileSync(`${path}.new`, JSON.stringify(own), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
