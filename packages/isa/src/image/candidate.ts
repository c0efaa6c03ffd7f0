/** What is found to scan, and what is found and cannot be. */

export interface Candidate {
  /** As the user can find it: `rootfs.tar!/usr/lib/libx.so`. */
  readonly name: string;
  /** The file to read. */
  readonly path: string;
  /** Whether it is a copy that is to be removed after use. */
  readonly temporary: boolean;
}

export type Found =
  | { readonly kind: "candidate"; readonly candidate: Candidate }
  | {
      readonly kind: "skipped";
      readonly name: string;
      readonly reason: string;
      /** Whether a path that the user named could not be read, or not to its end. */
      readonly damaged: boolean;
    };

export function found(name: string, path: string, temporary: boolean): Found {
  return { kind: "candidate", candidate: { name, path, temporary } };
}

export function skipped(name: string, reason: string, damaged = false): Found {
  return { kind: "skipped", name, reason, damaged };
}
