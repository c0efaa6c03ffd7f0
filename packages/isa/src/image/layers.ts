/**
 * The layers of a container image, from the top down: a file that a layer above has or removed is
 * not part of the image. Source: OCI image specification, "Image Layer Filesystem Changeset"
 * (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts).
 */
import { basename, dirname } from "node:path/posix";
import type { Entry } from "./entry.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

export interface Overlay {
  /** Whether a layer above hides this path. */
  hides(path: string): boolean;
  /** Takes note of an entry of the layer that is being read. */
  note(entry: Entry): void;
  /** The layer is read: what it has hides what is below. */
  finishLayer(): void;
}

interface Layer {
  readonly files: Set<string>;
  readonly removed: Set<string>;
  readonly opaque: Set<string>;
}

function emptyLayer(): Layer {
  return { files: new Set(), removed: new Set(), opaque: new Set() };
}

function isUnder(path: string, above: Layer): boolean {
  for (let part = path; part !== "."; part = dirname(part)) {
    if (above.removed.has(part) || above.files.has(part)) return true;
    if (above.opaque.has(dirname(part))) return true;
  }
  return false;
}

export function overlay(): Overlay {
  const above = emptyLayer();
  let current = emptyLayer();
  return {
    hides: (path) => basename(path).startsWith(WHITEOUT) || isUnder(path, above),
    note({ path, kind }) {
      const name = basename(path);
      if (name === OPAQUE) current.opaque.add(dirname(path));
      else if (name.startsWith(WHITEOUT)) {
        const removed = name.slice(WHITEOUT.length);
        const parent = dirname(path);
        current.removed.add(parent === "." ? removed : `${parent}/${removed}`);
      } else if (kind !== "directory") current.files.add(path);
    },
    finishLayer() {
      for (const key of ["files", "removed", "opaque"] as const) {
        for (const path of current[key]) above[key].add(path);
      }
      current = emptyLayer();
    },
  };
}
