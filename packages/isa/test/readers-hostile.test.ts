/** Hostile images are bounded, write nowhere and hide nothing. */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../src/image/limits.ts";
import { makeElf, PLAIN_CODE } from "./make-elf.ts";
import { tree } from "./make-tree.ts";
import { NEEDY, scanIn } from "./scan-in.ts";
import { hasTool, runIn, temporaryDirectory } from "./tools.ts";

test.runIf(hasTool("mkfs.erofs") && hasTool("fsck.erofs"))(
  "names that climb out of an EROFS image are refused before anything is written",
  async () => {
    const directory = temporaryDirectory();
    tree(directory);
    runIn(directory, "mkfs.erofs", ["-Enosbcrc", "it.erofs", "root"]);
    const bytes = readFileSync(join(directory, "it.erofs"));
    for (const name of ["../pl", "a/pln", "needy", "\0lain"]) {
      const hostile = Buffer.from(bytes);
      const at = hostile.indexOf("needyplain") + "needy".length;
      hostile.write(name, at, "latin1");
      writeFileSync(join(directory, "hostile.erofs"), hostile);
      const unread = ["hostile.erofs: EROFS: a name in it may lead elsewhere"];
      expect(await scanIn(directory, "hostile.erofs")).toEqual({ files: {}, skipped: [], unread });
    }
  },
);

test.runIf(["mkfs.ext4", "debugfs", "mksquashfs", "unsquashfs"].every((tool) => hasTool(tool)))(
  "names with newlines, escape codes and quotes hide nothing and steer no terminal",
  async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "root"));
    const names = [
      "a\nb",
      "a R 1 755 0 0 9 0\nb",
      "back\\slash",
      'quo"te',
      "debugfs: ls -p <2>\n",
      "red\u001b[31m",
      "\u202etxt.exe",
    ];
    for (const name of names) writeFileSync(join(directory, "root", name), NEEDY);
    runIn(directory, "mkfs.ext4", ["-q", "-d", "root", "it.ext4", "8M"]);
    runIn(directory, "mksquashfs", ["root", "it.squashfs", "-noappend", "-quiet", "-no-progress"]);
    runIn(directory, "tar", ["-C", "root", "-cf", "it.tar", "."]);
    const shown = [
      "a R 1 755 0 0 9 0\\x0ab",
      "a\\x0ab",
      "back\\slash",
      "debugfs: ls -p <2>\\x0a",
      'quo"te',
      "red\\x1b[31m",
      "\\u202etxt.exe",
    ].toSorted();
    for (const image of ["it.ext4", "it.squashfs", "it.tar"]) {
      const { files, unread } = await scanIn(directory, image);
      expect(unread).toEqual([]);
      expect(Object.keys(files).toSorted()).toEqual(shown.map((name) => `${image}!/${name}`));
    }
  },
);

const MIB = 1024 * 1024;
const STRICT = { ...DEFAULT_LIMITS, free: MIB };

test.runIf(["bsdtar", "mksquashfs", "unsquashfs", "xz", "zstd"].every((tool) => hasTool(tool)))(
  "bombs are refused in every format, whoever expands them",
  async () => {
    const directory = temporaryDirectory();
    const bomb = Buffer.concat([NEEDY, Buffer.alloc(16 * MIB, "bomb")]);
    mkdirSync(join(directory, "root"));
    writeFileSync(join(directory, "root/bomb"), bomb);
    runIn(directory, "bsdtar", ["-C", "root", "--format=zip", "-cf", "it.zip", "bomb"]);
    runIn(directory, "bsdtar", ["-C", "root", "--format=7zip", "-cf", "it.7z", "bomb"]);
    runIn(directory, "mksquashfs", ["root", "it.squashfs", "-noappend", "-quiet", "-no-progress"]);
    for (const tool of ["xz", "zstd"]) runIn(directory, tool, ["-k", "-q", "root/bomb"]);
    for (const image of ["it.zip", "it.7z", "it.squashfs", "root/bomb.xz", "root/bomb.zst"]) {
      const { files, unread } = await scanIn(directory, image, { limits: STRICT });
      expect(files).toEqual({});
      expect(unread).toHaveLength(1);
      expect(unread[0]).toMatch(/: expands to more than 200 times its size$/);
    }
  },
);

test.runIf(hasTool("mkfs.ext4") && hasTool("debugfs"))(
  "sparse gigabytes in an ext4 image cost nothing; large programs are read whole",
  async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "root"));
    for (const name of ["a", "b", "c", "d"]) {
      writeFileSync(join(directory, "root", name), name < "c" ? NEEDY : "");
      truncateSync(join(directory, "root", name), 2048 * MIB);
    }
    const far = Buffer.concat([makeElf(PLAIN_CODE).bytes, Buffer.alloc(48 * MIB, 1), NEEDY]);
    writeFileSync(join(directory, "root/large"), far);
    for (const type of ["ext2", "ext4"]) {
      const image = `it.${type}`;
      runIn(directory, "truncate", ["-s", "128M", image]);
      runIn(directory, "mkfs.ext4", ["-q", "-t", type, "-d", "root", image]);
      const started = performance.now();
      const { files, unread } = await scanIn(directory, image);
      expect(performance.now() - started).toBeLessThan(20_000);
      expect({ files, unread }).toEqual({
        files: { [`${image}!/a`]: "AVX512F", [`${image}!/b`]: "AVX512F", [`${image}!/large`]: "" },
        unread: [],
      });
    }
  },
);
