/** The files that an image in a directory or a tar archive consists of. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { dirname, join as joinPosix } from "node:path/posix";
import { normalPath } from "./entry.ts";
import { ImageError, type Limits } from "./limits.ts";
import { pullFile, wholeFile, type FilePart } from "./pull.ts";
import { tarEntries } from "./readers/tar.ts";

/** Files of an image by their path in it; undefined where there is none. */
export type Blobs = (path: string) => Promise<FilePart | undefined>;

/** Paths come from manifests: nothing outside the directory is opened. */
export function directoryBlobs(directory: string): Blobs {
  return async (path) => {
    const parts = path.split("/");
    if (parts.some((part) => part === ".." || part === "")) return undefined;
    const file = join(directory, ...parts);
    return existsSync(file) ? wholeFile(file) : undefined;
  };
}

/** `docker save` of old stores a layer that two images share once, and a link to it. */
const MOST_LINKS = 8;

/** The files of a tar archive that is an image, where they lie in it. */
export async function tarBlobs(part: FilePart, limits: Limits): Promise<Blobs> {
  const files = new Map<string, FilePart>();
  const links = new Map<string, string>();
  const pull = await pullFile(part);
  try {
    for await (const { path, kind, size, offset, link } of tarEntries(pull, limits)) {
      if (kind === "file") files.set(path, { path: part.path, start: part.start + offset, size });
      else if (link !== undefined) {
        const { target, symbolic } = link;
        links.set(path, symbolic ? joinPosix(dirname(path), target) : normalPath(target));
      }
    }
  } finally {
    await pull.close();
  }
  return (path) => {
    let at = path;
    for (let i = 0; i < MOST_LINKS && !files.has(at); i++) at = links.get(at) ?? at;
    return Promise.resolve(files.get(at));
  };
}

export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws {@link ImageError} where no such file, or no JSON in it. */
export async function readJson(blobs: Blobs, path: string, limits: Limits): Promise<unknown> {
  const part = await blobs(path);
  if (part === undefined) throw new ImageError(`${path} is missing`);
  if (part.size > limits.manifest) throw new ImageError(`${path} has ${part.size} bytes`);
  const pull = await pullFile(part);
  try {
    return JSON.parse((await pull.take(part.size)).toString("utf8"));
  } catch (error) {
    throw new ImageError(`${path} is no JSON`, { cause: error });
  } finally {
    await pull.close();
  }
}
