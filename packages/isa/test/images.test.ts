/** Machine code is found in trees and images, and hostile ones do no harm. */
import { createHash } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../src/image/limits.ts";
import { cpioOf, tarOf, type TarEntry } from "./make-archive.ts";
import { NEEDY, PLAIN, scanIn } from "./scan-in.ts";
import { hasTool, run, temporaryDirectory } from "./tools.ts";

const TREE: readonly TarEntry[] = [
  { path: "./", type: "5" },
  { path: "./usr/bin/needy", bytes: NEEDY },
  { path: "usr/bin/plain", bytes: PLAIN },
  { path: "etc/motd", bytes: Buffer.from("no machine code\n") },
  { path: "usr/bin/link", type: "2", link: "needy" },
];

test("a directory tree: links are not followed, a file is scanned once", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "tree/sub"), { recursive: true });
  writeFileSync(join(directory, "tree/needy"), NEEDY);
  linkSync(join(directory, "tree/needy"), join(directory, "tree/sub/same"));
  writeFileSync(join(directory, "tree/script"), "#!/bin/sh\n");
  symlinkSync("..", join(directory, "tree/sub/cycle"));
  symlinkSync("self", join(directory, "tree/self"));
  symlinkSync("/etc/passwd", join(directory, "tree/outside"));
  expect(await scanIn(directory, "tree")).toEqual({
    files: { "tree/needy": "AVX512F" },
    skipped: [],
    unread: [],
  });
});

test("several threads give what one gives", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "tree"));
  for (let i = 0; i < 20; i++) {
    writeFileSync(join(directory, `tree/${i}`), i % 2 === 0 ? NEEDY : PLAIN);
  }
  const one = await scanIn(directory, "tree");
  expect(Object.keys(one.files)).toHaveLength(20);
  expect(await scanIn(directory, "tree", { threads: 2 })).toEqual(one);
});

const FOUND = { "usr/bin/needy": "AVX512F", "usr/bin/plain": "" };

function under(image: string) {
  return Object.fromEntries(
    Object.entries(FOUND).map(([path, features]) => [`${image}!/${path}`, features]),
  );
}

test.each([
  ["a tar archive", "it.tar", tarOf(TREE)],
  ["a compressed one", "it.tar.gz", gzipSync(tarOf(TREE))],
  ["an initramfs", "it.cpio", cpioOf(TREE)],
  ["a compressed one after another", "it.img", Buffer.concat([cpioOf([]), gzipSync(cpioOf(TREE))])],
])("%s", async (_name, file, bytes) => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, file), bytes);
  expect(await scanIn(directory, file)).toEqual({ files: under(file), skipped: [], unread: [] });
});

test.runIf(hasTool("mkfs.ext4") && hasTool("debugfs"))("an ext4 image", async () => {
  const directory = temporaryDirectory();
  const root = join(directory, "root/usr/bin");
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "needy"), NEEDY);
  writeFileSync(join(root, "plain"), PLAIN);
  writeFileSync(join(root, "a name\twith things"), PLAIN);
  run("mkfs.ext4", ["-q", "-d", join(directory, "root"), join(directory, "it.ext4"), "8M"]);
  const { files, unread } = await scanIn(directory, "it.ext4");
  expect(unread).toEqual([]);
  expect(files).toEqual({
    ...under("it.ext4"),
    "it.ext4!/usr/bin/a name\\x09with things": "",
  });
  truncateSync(join(directory, "it.ext4"), 64 * 1024);
  expect(await scanIn(directory, "it.ext4")).toMatchObject({
    files: {},
    unread: [expect.stringContaining("it.ext4")],
  });
});

function blob(entries: Map<string, Buffer>, bytes: Buffer): string {
  const hex = createHash("sha256").update(bytes).digest("hex");
  entries.set(`blobs/sha256/${hex}`, bytes);
  return `sha256:${hex}`;
}

/** The files of an OCI layout whose image has these layers, the lowest first. */
function layoutOf(layers: readonly Buffer[]): Map<string, Buffer> {
  const files = new Map([["oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}')]]);
  const digests = layers.map((layer) => ({ digest: blob(files, layer) }));
  const manifest = blob(files, Buffer.from(JSON.stringify({ schemaVersion: 2, layers: digests })));
  const other = blob(files, Buffer.from("not for this machine"));
  const manifests = [
    { digest: manifest, platform: { os: "linux", architecture: "amd64" } },
    { digest: other, platform: { os: "linux", architecture: "arm64" } },
  ];
  return files.set("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })));
}

function writeLayout(directory: string, files: ReadonlyMap<string, Buffer>): void {
  for (const [path, bytes] of files) {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  }
}

const LAYERS = [
  gzipSync(
    tarOf([
      { path: "usr/bin/replaced", bytes: NEEDY },
      { path: "usr/bin/removed", bytes: NEEDY },
      { path: "opt/hidden/one", bytes: NEEDY },
      { path: "usr/bin/needy", bytes: NEEDY },
    ]),
  ),
  tarOf([
    { path: "usr/bin/replaced", bytes: PLAIN },
    { path: "usr/bin/.wh.removed", bytes: Buffer.alloc(0) },
    { path: "opt/hidden/.wh..wh..opq", bytes: Buffer.alloc(0) },
    { path: "opt/hidden/two", bytes: PLAIN },
  ]),
];

const IMAGE = { "opt/hidden/two": "", "usr/bin/needy": "AVX512F", "usr/bin/replaced": "" };

test("a container image is what its layers leave of one another", async () => {
  const directory = temporaryDirectory();
  const files = layoutOf(LAYERS);
  writeLayout(join(directory, "image"), files);
  const tar = tarOf([...files].map(([path, bytes]) => ({ path, bytes })));
  writeFileSync(join(directory, "image.tar"), tar);
  writeFileSync(join(directory, "image.tar.gz"), gzipSync(tar));
  for (const name of ["image", "image.tar", "image.tar.gz"]) {
    const expected = Object.fromEntries(
      Object.entries(IMAGE).map(([path, features]) => [`${name}!/${path}`, features]),
    );
    expect(await scanIn(directory, name)).toEqual({ files: expected, skipped: [], unread: [] });
  }
});

/** A `docker save` archive: layers by these names, the lowest first. */
function saved(names: readonly string[], ...extra: readonly TarEntry[]): Buffer {
  const manifest = [{ Config: "config.json", RepoTags: ["it:latest"], Layers: names }];
  return tarOf([
    ...names.map((path, i) => ({ path, bytes: LAYERS[i] ?? PLAIN })),
    ...extra,
    { path: "manifest.json", bytes: Buffer.from(JSON.stringify(manifest)) },
  ]);
}

const ID = "0123456789abcdef".repeat(4);

test.each([
  ["docker's of old", [`${ID}/layer.tar`, `1${ID.slice(1)}/layer.tar`]],
  ["podman's and skopeo's", [`${ID}.tar`, `1${ID.slice(1)}.tar`]],
  ["kaniko's", [`${ID}.tar.gz`, `1${ID.slice(1)}.tar.gz`]],
  ["anybody's", ["a/layer.tar", "b/layer.tar"]],
])("what docker save writes is an image: %s", async (_name, layers) => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "saved.tar"), saved(layers));
  writeFileSync(join(directory, "saved.tgz"), gzipSync(saved(layers)));
  for (const file of ["saved.tar", "saved.tgz"]) {
    const expected = Object.entries(IMAGE).map(([path, uses]) => [`${file}!/${path}`, uses]);
    const scanned = await scanIn(directory, file);
    expect(scanned).toEqual({ files: Object.fromEntries(expected), skipped: [], unread: [] });
  }
});

test("a layer may be a link to another in the archive, and to nothing outside of it", async () => {
  const directory = temporaryDirectory();
  const manifest = [{ Config: "c.json", Layers: ["b/layer.tar", "c/layer.tar", "d/layer.tar"] }];
  const tar = tarOf([
    { path: "a/layer.tar", bytes: LAYERS[1] ?? PLAIN },
    { path: "b/layer.tar", type: "2", link: "../a/layer.tar" },
    { path: "c/layer.tar", type: "2", link: "../../../../etc/passwd" },
    { path: "d/layer.tar", type: "2", link: "layer.tar" },
    { path: "manifest.json", bytes: Buffer.from(JSON.stringify(manifest)) },
  ]);
  writeFileSync(join(directory, "saved.tar"), tar);
  const { files, unread } = await scanIn(directory, "saved.tar");
  expect(Object.keys(files)).toEqual(["saved.tar!/opt/hidden/two", "saved.tar!/usr/bin/replaced"]);
  expect(unread.toSorted()).toEqual([
    "saved.tar: its layer c/layer.tar is missing",
    "saved.tar: its layer d/layer.tar is missing",
  ]);
});

test.each([
  ["a web application's", { name: "it", icons: [] }],
  ["a browser extension's", { manifest_version: 3, name: "it" }],
  ["a list", ["a", "b"]],
])("a directory with %s manifest.json is no image", async (_name, manifest) => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "app"));
  writeFileSync(join(directory, "app/manifest.json"), JSON.stringify(manifest));
  writeFileSync(join(directory, "app/needy"), NEEDY);
  const expected = { files: { "app/needy": "AVX512F" }, skipped: [], unread: [] };
  expect(await scanIn(directory, "app")).toEqual(expected);
});

test("manifests cannot lead outside the image", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "secret"), tarOf([{ path: "stolen", bytes: PLAIN }]));
  const manifest = [{ Config: "c.json", RepoTags: [], Layers: ["../secret", "/etc/passwd"] }];
  writeLayout(
    join(directory, "image"),
    new Map([["manifest.json", Buffer.from(JSON.stringify(manifest))]]),
  );
  const { files, unread } = await scanIn(directory, "image");
  expect(files).toEqual({});
  expect(unread.toSorted()).toEqual([
    "image: its layer ../secret is missing",
    "image: its layer /etc/passwd is missing",
  ]);
  const loop = new Map(layoutOf([]));
  const digest = blob(loop, Buffer.from("{}"));
  loop.set(
    "index.json",
    Buffer.from(JSON.stringify({ manifests: [{ digest: "sha256:../../x" }] })),
  );
  writeLayout(join(directory, "loop"), loop);
  expect((await scanIn(directory, "loop")).unread).toEqual(["loop: no digest: sha256:../../x"]);
  expect(digest).toMatch(/^sha256:/);
});

test("names that climb out of an archive are shown, never used", async () => {
  const directory = temporaryDirectory();
  const hostile: TarEntry[] = [
    { path: "../../escaped", bytes: NEEDY },
    { path: "/absolute", bytes: NEEDY },
    { path: "out", type: "2", link: directory },
    { path: "out/through-link", bytes: NEEDY },
    { path: "terminal\u001b[2J", bytes: NEEDY },
  ];
  for (const [file, bytes] of [
    ["it.tar", tarOf(hostile)],
    ["it.cpio", cpioOf(hostile)],
  ] as const) {
    writeFileSync(join(directory, file), bytes);
    const before = readdirSync(directory).toSorted();
    expect(Object.keys((await scanIn(directory, file)).files).toSorted()).toEqual(
      [
        `${file}!/../../escaped`,
        `${file}!/absolute`,
        `${file}!/out/through-link`,
        `${file}!/terminal\\x1b[2J`,
      ].toSorted(),
    );
    expect(new Set(readdirSync(directory))).toEqual(new Set([...before, "temporary"]));
  }
});

test("a bomb is refused by its ratio, by its size and by its number of entries", async () => {
  const directory = temporaryDirectory();
  const zeros = tarOf([
    { path: "first", bytes: NEEDY },
    { path: "zeros", bytes: Buffer.alloc(8 * 1024 * 1024) },
  ]);
  writeFileSync(join(directory, "it.tgz"), gzipSync(zeros));
  const scan = (limits: object) =>
    scanIn(directory, "it.tgz", { limits: { ...DEFAULT_LIMITS, ...limits } });
  const ratio = await scan({ free: 1024 * 1024 });
  expect(ratio.files).toEqual({ "it.tgz!/first": "AVX512F" });
  expect(ratio.unread).toEqual(["it.tgz: expands to more than 200 times its size"]);
  expect((await scan({ expanded: 1024 * 1024 })).unread).toEqual([
    "it.tgz: expands to more than 1 MiB",
  ]);
  expect((await scan({ entries: 0 })).unread).toEqual(["it.tgz: more than 0 entries"]);
  expect((await scan({})).unread).toEqual([]);
});

test("an archive that is cut short gives what is before the cut, and says so", async () => {
  const directory = temporaryDirectory();
  let cut = 0;
  for (const [file, bytes] of [
    ["it.tar", tarOf(TREE)],
    ["it.tgz", gzipSync(tarOf(TREE))],
    ["it.cpio", cpioOf(TREE)],
  ] as const) {
    for (const share of [0.2, 0.4, 0.6, 0.8, 0.95]) {
      writeFileSync(join(directory, file), bytes.subarray(0, Math.floor(bytes.length * share)));
      const { unread, files } = await scanIn(directory, file);
      // What is cut off may be nothing but padding, or no machine code.
      const missing = Object.keys(files).length < 2;
      expect(missing && unread.length === 0).toBe(false);
      cut += missing ? 1 : 0;
    }
  }
  expect(cut).toBeGreaterThan(6);
});

test("a named file that is nothing that is known was not read", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "text"), readFileSync(new URL(import.meta.url)));
  expect(await scanIn(directory, "text")).toMatchObject({
    files: {},
    unread: ["text: neither machine code nor a readable image"],
  });
});
