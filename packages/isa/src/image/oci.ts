/**
 * Container images: an OCI layout in a directory or a tar file, and what `docker save` writes.
 * Source: https://github.com/opencontainers/image-spec, image-layout.md, image-index.md,
 * manifest.md; https://github.com/moby/docker-image-spec (manifest.json).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { skipped, type Found } from "./candidate.ts";
import { extractAll, type Extraction } from "./entries.ts";
import { printable, type Entry } from "./entry.ts";
import { compressionOf, pullExpanded } from "./expand.ts";
import { overlay, type Overlay } from "./layers.ts";
import { ImageError, type Limits } from "./limits.ts";
import { pullFile, wholeFile, type FilePart } from "./pull.ts";
import { tarEntries } from "./tar.ts";

/** Files of an image by their path in it; undefined where there is none. */
export type Blobs = (path: string) => Promise<FilePart | undefined>;

export function isLayout(directory: string): boolean {
  return ["oci-layout", "manifest.json"].some((name) => existsSync(join(directory, name)))
    ? existsSync(join(directory, "blobs")) || existsSync(join(directory, "manifest.json"))
    : false;
}

/** Paths come from manifests: nothing outside the directory is opened. */
export function directoryBlobs(directory: string): Blobs {
  return async (path) => {
    const parts = path.split("/");
    if (parts.some((part) => part === ".." || part === "")) return undefined;
    const file = join(directory, ...parts);
    return existsSync(file) ? wholeFile(file) : undefined;
  };
}

/** The files of a tar archive that is an image, where they lie in it. */
export async function tarBlobs(part: FilePart, limits: Limits): Promise<Map<string, FilePart>> {
  const blobs = new Map<string, FilePart>();
  const pull = await pullFile(part);
  try {
    for await (const { path, kind, size, offset } of tarEntries(pull, limits)) {
      if (kind === "file") blobs.set(path, { path: part.path, start: part.start + offset, size });
    }
    return blobs;
  } finally {
    await pull.close();
  }
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

async function readJson(blobs: Blobs, path: string, limits: Limits): Promise<unknown> {
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

function blobPath(descriptor: unknown): string {
  const digest = isObject(descriptor) ? descriptor["digest"] : undefined;
  const [, algorithm, hex] = /^(sha256|sha512):([\da-f]{64,128})$/.exec(String(digest)) ?? [];
  if (algorithm === undefined) throw new ImageError(`no digest: ${printable(String(digest))}`);
  return `blobs/${algorithm}/${hex}`;
}

interface Image {
  readonly name: string;
  /** Paths of the layers' blobs, the lowest first. */
  readonly layers: readonly string[];
}

const REFERENCE = "org.opencontainers.image.ref.name";
/** An index may name an index; hostile ones name themselves. */
const DEEPEST = 4;

function platformOf(descriptor: Json): string | undefined {
  const platform = descriptor["platform"];
  if (!isObject(platform)) return undefined;
  return `${String(platform["os"])}/${String(platform["architecture"])}`;
}

/** Whether a manifest may be for x86-64 Linux; attestations say `unknown/unknown`. */
function isWanted(descriptor: Json): boolean {
  return [undefined, "linux/amd64"].includes(platformOf(descriptor));
}

async function ociImages(blobs: Blobs, path: string, limits: Limits, depth = 0): Promise<Image[]> {
  const index = await readJson(blobs, path, limits);
  if (!isObject(index)) throw new ImageError(`${path} is no object`);
  if (Array.isArray(index["layers"])) {
    return [{ name: "", layers: listOf(index["layers"]).map(blobPath) }];
  }
  if (depth >= DEEPEST) throw new ImageError(`${path}: an index in an index in an index`);
  const images: Image[] = [];
  for (const descriptor of listOf(index["manifests"])) {
    if (!isObject(descriptor) || !isWanted(descriptor)) continue;
    const annotations = descriptor["annotations"];
    const name = isObject(annotations) ? textOf(annotations[REFERENCE]) : "";
    for (const image of await ociImages(blobs, blobPath(descriptor), limits, depth + 1)) {
      images.push({ ...image, name: image.name || name });
    }
  }
  return images;
}

async function dockerImages(blobs: Blobs, limits: Limits): Promise<Image[]> {
  const manifest = await readJson(blobs, "manifest.json", limits);
  return listOf(manifest)
    .filter(isObject)
    .map((image) => ({
      name: textOf(listOf(image["RepoTags"])[0]),
      layers: listOf(image["Layers"]).map(textOf),
    }));
}

async function imagesOf(blobs: Blobs, limits: Limits): Promise<Image[]> {
  const isOci = (await blobs("index.json")) !== undefined;
  return isOci ? ociImages(blobs, "index.json", limits) : dockerImages(blobs, limits);
}

async function* noting(entries: AsyncIterable<Entry>, layers: Overlay): AsyncGenerator<Entry> {
  for await (const entry of entries) {
    layers.note(entry);
    yield entry;
  }
}

async function* scanLayer(
  name: string,
  part: FilePart,
  layers: Overlay,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const head = await pullFile(part);
  const start = await head.take(512).finally(() => head.close());
  const pull = await pullExpanded(part, compressionOf(start), extraction.limits);
  try {
    const entries = noting(tarEntries(pull, extraction.limits), layers);
    yield* extractAll(name, entries, extraction, (path) => !layers.hides(path));
  } finally {
    await pull.close();
  }
}

async function* scanImage(
  name: string,
  { layers: paths }: Image,
  blobs: Blobs,
  extraction: Extraction,
): AsyncGenerator<Found> {
  const layers = overlay();
  for (const path of paths.toReversed()) {
    const part = await blobs(path);
    try {
      if (part === undefined) throw new ImageError(`its layer ${printable(path)} is missing`);
      yield* scanLayer(name, part, layers, extraction);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      yield skipped(name, error.message, true);
    }
    layers.finishLayer();
  }
}

/** Machine code in all images of a layout. */
export async function* findInLayout(
  name: string,
  blobs: Blobs,
  extraction: Extraction,
): AsyncGenerator<Found> {
  try {
    const images = await imagesOf(blobs, extraction.limits);
    if (images.length === 0) yield skipped(name, "no image for linux/amd64 in it", true);
    for (const image of images) {
      const tag = images.length > 1 ? `[${printable(image.name)}]` : "";
      yield* scanImage(name + tag, image, blobs, extraction);
    }
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield skipped(name, error.message, true);
  }
}
