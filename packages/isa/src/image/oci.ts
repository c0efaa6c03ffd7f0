/**
 * Container images: an OCI layout in a directory or a tar file, what `docker save`, `podman save`
 * and skopeo write.
 * Source: https://github.com/opencontainers/image-spec, image-layout.md, image-index.md,
 * manifest.md; https://github.com/moby/docker-image-spec (manifest.json); containers-transports(5).
 */
import { rm } from "node:fs/promises";
import { directoryBlobs, isObject, readJson, tarBlobs, type Blobs, type Json } from "./blobs.ts";
import { unread, type Found } from "./candidate.ts";
import { extractAll, type Extraction } from "./entries.ts";
import { printable, type Entry } from "./entry.ts";
import { pullExpanded } from "./expand.ts";
import { overlay, type Overlay } from "./layers.ts";
import { ImageError, type Limits } from "./limits.ts";
import { compressionOf, type Compression } from "./magic.ts";
import { pullFile, wholeFile, type FilePart } from "./pull.ts";
import { tarEntries, wholeTar } from "./readers/tar.ts";
import { copyOut } from "./workspace.ts";

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
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

/** What `docker save` writes, and all who write the same. */
function dockerImages(manifest: unknown): Image[] | undefined {
  const entries = listOf(manifest).filter(isObject);
  const isImage = ({ Config: config, Layers: layers }: Json) =>
    typeof config === "string" && Array.isArray(layers);
  if (entries.length === 0 || !entries.every(isImage)) return undefined;
  return entries.map((image) => ({
    name: textOf(listOf(image["RepoTags"])[0]),
    layers: listOf(image["Layers"]).map(textOf),
  }));
}

/** skopeo's `dir:`: one manifest, and blobs under their digests in the same directory. */
function skopeoImages(manifest: unknown): Image[] | undefined {
  if (!isObject(manifest) || manifest["schemaVersion"] !== 2) return undefined;
  const layers = listOf(manifest["layers"]);
  if (layers.length === 0 || !layers.every((l) => isObject(l) && "digest" in l)) return undefined;
  return [{ name: "", layers: layers.map((l) => blobPath(l).replace(/^.*\//, "")) }];
}

export interface Images {
  readonly images: readonly Image[];
  readonly blobs: Blobs;
}

/** A file's JSON; undefined where there is none that could be a manifest. */
async function jsonIn(blobs: Blobs, path: string, limits: Limits): Promise<unknown> {
  try {
    return await readJson(blobs, path, limits);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

/**
 * The images that a directory's or an archive's files are. Undefined where they are none: many
 * things have a manifest.json. Throws {@link ImageError} where it is an image and damaged.
 */
async function imagesIn(blobs: Blobs, limits: Limits): Promise<Images | undefined> {
  const layout = await jsonIn(blobs, "oci-layout", limits);
  if (isObject(layout) && "imageLayoutVersion" in layout) {
    return { images: await ociImages(blobs, "index.json", limits), blobs };
  }
  const manifest = await jsonIn(blobs, "manifest.json", limits);
  const images = dockerImages(manifest) ?? skopeoImages(manifest);
  return images && { images, blobs };
}

export function directoryImages(directory: string, limits: Limits): Promise<Images | undefined> {
  return imagesIn(directoryBlobs(directory), limits);
}

/**
 * How the first entry of an image looks: a blob, a layer or its directory under its digest, JSON.
 * Only asked of compressed archives, which would have to be expanded to know.
 */
const FIRST =
  /^(?:blobs(?:\/|$)|oci-layout$|[\w.-]+\.json$|repositories$|version$|(?:sha256[:-])?[\da-f]{12,64}(?:[./]|$)|[^/]+\.tar(?:\.gz)?$|[^/]+\/(?:layer\.tar|VERSION|json)$)/;

async function mayBeImage(entries: AsyncIterable<Entry>): Promise<boolean> {
  for await (const { path } of entries) if (path !== "") return FIRST.test(path);
  return false;
}

/** A compressed archive on disk, where its blobs can be read in any order. */
async function onDisk(
  part: FilePart,
  compression: Compression,
  extraction: Extraction,
): Promise<FilePart | undefined> {
  const { limits } = extraction;
  const first = await pullExpanded(part, compression, limits);
  const may = await mayBeImage(tarEntries(first, limits)).finally(() => first.close());
  if (!may) return undefined;
  const pull = await pullExpanded(part, compression, limits);
  const copy = copyOut(pull, Buffer.alloc(0), undefined, extraction);
  return wholeFile(await copy.finally(() => pull.close()));
}

/** The files of an archive as far as they can be read: one that is cut short is no image. */
async function blobsOf(part: FilePart, limits: Limits): Promise<Blobs | undefined> {
  try {
    return await tarBlobs(part, limits);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

/** The images in a tar archive, which is expanded to disk if need be; undefined: it has none. */
export async function tarImages(
  part: FilePart,
  compression: Compression,
  extraction: Extraction,
): Promise<Images | undefined> {
  const plain = compression === "none" ? part : await onDisk(part, compression, extraction);
  const blobs = plain && (await blobsOf(plain, extraction.limits));
  const images = blobs && (await imagesIn(blobs, extraction.limits));
  if (images === undefined && plain !== undefined && plain !== part) {
    await rm(plain.path, { force: true });
  }
  return images;
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
    const entries = noting(wholeTar(pull, extraction.limits), layers);
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
      yield unread(name, error.message);
    }
    layers.finishLayer();
  }
}

/** Machine code in all images of a layout. */
export async function* findInImages(
  name: string,
  { images, blobs }: Images,
  extraction: Extraction,
): AsyncGenerator<Found> {
  if (images.length === 0) yield unread(name, "no image for linux/amd64 in it");
  for (const image of images) {
    const tag = images.length > 1 ? `[${printable(image.name)}]` : "";
    yield* scanImage(name + tag, image, blobs, extraction);
  }
}
