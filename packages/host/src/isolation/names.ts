/** Names that belong to one data directory, on a host that several may share. */
import { createHash } from "node:crypto";

/**
 * Four hexadecimal digits that stand for a data directory in names of namespaces, interfaces and
 * cgroups, which have 15 characters at most. Without symbolic links in the path.
 */
export function tagOf(directory: string): string {
  return createHash("sha256").update(directory).digest("hex").slice(0, 4);
}

/** The first user and group id of slots: no distribution or container runtime assigns these. */
export const FIRST_ID = 0x7000_0000;

/** The user and group id of a slot: the same number, used by nobody else. */
export function idOf(slot: number, first: number = FIRST_ID): number {
  return first + slot;
}

/** More than any node has: users beyond this are not ours. */
export const MOST_SLOTS = 100_000;
