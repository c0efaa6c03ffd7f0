/** What is found to scan, and what is found and is not scanned. */

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
  /** Set aside for a good reason: there is no program for this machine in it. */
  | { readonly kind: "skipped"; readonly name: string; readonly reason: string }
  /** Not read, or not to its end: what is in it is not known. */
  | { readonly kind: "unread"; readonly name: string; readonly reason: string };

export function found(name: string, path: string, temporary: boolean): Found {
  return { kind: "candidate", candidate: { name, path, temporary } };
}

export function skipped(name: string, reason: string): Found {
  return { kind: "skipped", name, reason };
}

export function unread(name: string, reason: string): Found {
  return { kind: "unread", name, reason };
}
