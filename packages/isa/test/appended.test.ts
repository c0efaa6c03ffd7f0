/** Programs that carry an image behind their own end: AppImages, bundles of PyInstaller. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FOUND, tree } from "./make-tree.ts";
import { NEEDY, PLAIN, scanIn } from "./scan-in.ts";
import { hasTool, runIn, temporaryDirectory } from "./tools.ts";

const hasSquashfs = hasTool("mksquashfs") && hasTool("unsquashfs");

function inside(image: string) {
  return Object.fromEntries(
    Object.entries(FOUND).map(([path, uses]) => [`${image}!/${path}`, uses]),
  );
}

/** A program with a squashfs behind it, as AppImages are; `gap`: bytes between the two. */
function appImage(directory: string, path: string, gap = 0): void {
  tree(directory);
  const flags = ["-noappend", "-quiet", "-no-progress", "-comp", "gzip"];
  runIn(directory, "mksquashfs", ["root", "it.squashfs", ...flags]);
  rmSync(join(directory, "root"), { recursive: true });
  const image = readFileSync(join(directory, "it.squashfs"));
  rmSync(join(directory, "it.squashfs"));
  writeFileSync(join(directory, path), Buffer.concat([PLAIN, Buffer.alloc(gap), image]));
}

test.runIf(hasSquashfs)("an AppImage is a program and the image behind it", async () => {
  const directory = temporaryDirectory();
  appImage(directory, "it.AppImage");
  const scans = await scanIn(directory, "it.AppImage");
  expect(scans.files).toEqual({ "it.AppImage": "", ...inside("it.AppImage") });
  expect(scans.unread).toEqual([]);
});

test.runIf(hasSquashfs)(
  "an AppImage in a directory and one in an archive are read too",
  async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "opt"));
    appImage(directory, "opt/it.AppImage", 512 - (PLAIN.length % 512));
    expect((await scanIn(directory, "opt")).files).toEqual({
      "opt/it.AppImage": "",
      ...inside("opt/it.AppImage"),
    });
    runIn(directory, "tar", ["-cf", "it.tar", "opt"]);
    expect((await scanIn(directory, "it.tar")).files).toEqual({
      "it.tar!/opt/it.AppImage": "",
      ...inside("it.tar!/opt/it.AppImage"),
    });
  },
);

test("what cannot be read behind a program is said to be unread", async () => {
  const directory = temporaryDirectory();
  const cookie = Buffer.from("4d45490c0b0a0b0e", "hex");
  const bundle = [NEEDY, Buffer.alloc(8192, "x"), cookie, Buffer.alloc(80)];
  writeFileSync(join(directory, "bundle"), Buffer.concat(bundle));
  writeFileSync(
    join(directory, "dwarf"),
    Buffer.concat([NEEDY, Buffer.from("DWARFS"), Buffer.alloc(8192)]),
  );
  const bundled = await scanIn(directory, "bundle");
  expect(bundled.unread).toEqual([expect.stringContaining("bundle: a PyInstaller bundle")]);
  expect(Object.keys(bundled.files)).toEqual(["bundle"]);
  expect((await scanIn(directory, "dwarf")).unread).toEqual([
    expect.stringContaining("dwarf: a DwarFS image"),
  ]);
});

test("signatures, and data of no known kind, are no images", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "signed"), Buffer.concat([PLAIN, Buffer.alloc(700, "s")]));
  writeFileSync(join(directory, "script"), Buffer.concat([PLAIN, Buffer.alloc(90_000, "js;")]));
  for (const path of ["signed", "script"]) {
    expect(await scanIn(directory, path)).toEqual({
      files: { [path]: "" },
      skipped: [],
      unread: [],
    });
  }
});

test("a program whose tables point behind its end has nothing appended", async () => {
  const directory = temporaryDirectory();
  const broken = Buffer.concat([PLAIN, Buffer.from("hsqs"), Buffer.alloc(8192)]);
  broken.writeBigUInt64LE(BigInt(Number.MAX_SAFE_INTEGER), 40);
  writeFileSync(join(directory, "broken"), broken);
  expect(Object.keys((await scanIn(directory, "broken")).files)).toEqual(["broken"]);
});
