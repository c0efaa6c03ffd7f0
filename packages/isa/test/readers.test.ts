/** Every format is read as the tools that made it here mean it, or is said to be unread. */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { tarOf } from "./make-archive.ts";
import { FOUND, tree } from "./make-tree.ts";
import { NEEDY, PLAIN, scanIn } from "./scan-in.ts";
import { hasTool, run, runIn, temporaryDirectory } from "./tools.ts";

function expected(image: string) {
  const files = Object.entries(FOUND).map(([path, uses]) => [`${image}!/${path}`, uses]);
  return { files: Object.fromEntries(files), skipped: [], unread: [] };
}

/** Name of the image; the tool that makes it and those that read it; how it is made. */
const IMAGES: readonly (readonly [string, readonly string[], (directory: string) => void])[] = [
  ...(
    [
      ["it.tar.xz", "xz", ["-k"]],
      ["it.tar.lzma", "xz", ["-k", "--format=lzma"]],
      ["it.tar.bz2", "bzip2", ["-k"]],
      ["it.tar.zst", "zstd", ["-q"]],
      ["it.tar.lz4", "lz4", ["-q"]],
    ] as const
  ).map(
    ([image, tool, flags]) =>
      [
        image,
        [tool],
        (directory: string) => {
          runIn(directory, "tar", ["-C", "root", "-cf", "it.tar", "."]);
          if (tool === "lz4") runIn(directory, tool, [...flags, "it.tar", image]);
          else runIn(directory, tool, [...flags, "it.tar"]);
        },
      ] as const,
  ),
  ...(["gzip", "xz", "zstd"] as const).map(
    (compression) =>
      [
        `it.squashfs.${compression}`,
        ["mksquashfs", "unsquashfs"],
        (directory: string) => {
          const flags = ["-noappend", "-quiet", "-no-progress", "-comp", compression];
          runIn(directory, "mksquashfs", ["root", `it.squashfs.${compression}`, ...flags]);
        },
      ] as const,
  ),
  [
    "it.erofs",
    ["mkfs.erofs", "fsck.erofs"],
    (directory) => runIn(directory, "mkfs.erofs", ["it.erofs", "root"]),
  ],
  [
    "it.lz4.erofs",
    ["mkfs.erofs", "fsck.erofs"],
    (directory) => runIn(directory, "mkfs.erofs", ["-zlz4hc", "it.lz4.erofs", "root"]),
  ],
  [
    "it.btrfs",
    ["mkfs.btrfs", "btrfs"],
    (directory) => {
      runIn(directory, "truncate", ["-s", "128M", "it.btrfs"]);
      runIn(directory, "mkfs.btrfs", ["-q", "--rootdir", "root", "it.btrfs"]);
    },
  ],
  ["it.xfs", ["mkfs.xfs", "xfs_db"], (directory) => makeXfs(directory, "it.xfs")],
  [
    "it.iso",
    ["genisoimage", "bsdtar"],
    (directory) => runIn(directory, "genisoimage", ["-quiet", "-R", "-J", "-o", "it.iso", "root"]),
  ],
  [
    "it.7z",
    ["bsdtar"],
    (directory) =>
      runIn(directory, "bsdtar", ["-C", "root", "--format=7zip", "-cf", "it.7z", "usr", "etc"]),
  ],
  [
    "it.whl",
    ["bsdtar"],
    (directory) =>
      runIn(directory, "bsdtar", ["-C", "root", "--format=zip", "-cf", "it.whl", "usr", "etc"]),
  ],
  ["it.rpm", ["rpmbuild", "rpm2cpio"], makeRpm],
  ...(["gzip", "xz", "zstd"] as const).map(
    (compression) =>
      [
        `it-${compression}.deb`,
        ["dpkg-deb", "xz"],
        (directory: string) => {
          const control = join(directory, "root/DEBIAN/control");
          mkdirSync(join(control, ".."));
          chmodSync(join(control, ".."), 0o755);
          const fields = [
            "Package: it",
            "Version: 1",
            "Architecture: amd64",
            "Maintainer: it <i@t>",
          ];
          writeFileSync(control, `${fields.join("\n")}\nDescription: it\n`);
          runIn(directory, "dpkg-deb", [`-Z${compression}`, "-b", "root", `it-${compression}.deb`]);
        },
      ] as const,
  ),
];

/** XFS is made from a list of its files. */
function makeXfs(directory: string, image: string): void {
  const file = (path: string) => `${path.split("/").at(-1)} ---755 0 0 ${join(directory, path)}`;
  copyFileSync(join(directory, "root/usr/share/a name"), join(directory, "root/usr/share/a_name"));
  const proto = `/
0 0
d--755 0 0
usr d--755 0 0
bin d--755 0 0
${file("root/usr/bin/needy")}
${file("root/usr/bin/plain")}
$
share d--755 0 0
${file("root/usr/share/a_name")}
$
$
etc d--755 0 0
${file("root/etc/motd")}
${file("root/etc/zeros")}
outside l--777 0 0 /etc/passwd
$
$
`;
  writeFileSync(join(directory, "proto"), proto);
  runIn(directory, "mkfs.xfs", ["-q", "-d", `file,name=${image},size=320m`, "-p", "proto"]);
}

function makeRpm(directory: string): void {
  const spec = `
Name: it
Version: 1
Release: 1
Summary: it
License: it
%description
it
%install
mkdir -p %{buildroot}
cp -r ${directory}/root/. %{buildroot}
%files
/usr
/etc
`;
  writeFileSync(join(directory, "it.spec"), spec.trimStart());
  const defines = [`_topdir ${directory}/rpm`, "debug_package %{nil}", "__os_install_post %{nil}"];
  const flags = defines.flatMap((define) => ["--define", define]);
  runIn(directory, "rpmbuild", ["-bb", "--quiet", ...flags, "it.spec"]);
  const made = readdirSync(join(directory, "rpm/RPMS/x86_64"));
  copyFileSync(join(directory, "rpm/RPMS/x86_64", made[0] ?? ""), join(directory, "it.rpm"));
}

for (const [image, tools, make] of IMAGES) {
  test.runIf(tools.every((tool) => hasTool(tool)))(`${image} is read`, async () => {
    const directory = temporaryDirectory();
    tree(directory);
    make(directory);
    const { files, ...rest } = expected(image);
    const renamed = Object.entries(files).map(([name, uses]) => [
      image.endsWith(".xfs") ? name.replace("a name", "a_name") : name,
      uses,
    ]);
    expect(await scanIn(directory, image)).toEqual({ files: Object.fromEntries(renamed), ...rest });
  });

  test.runIf(tools.every((tool) => hasTool(tool)))(
    `${image}, cut short, is never all there`,
    async () => {
      const directory = temporaryDirectory();
      tree(directory);
      make(directory);
      const bytes = readFileSync(join(directory, image));
      for (const share of [0.1, 0.5, 0.9]) {
        writeFileSync(join(directory, image), bytes.subarray(0, Math.floor(bytes.length * share)));
        const { files, unread } = await scanIn(directory, image);
        const all = Object.keys(files).length === Object.keys(FOUND).length;
        expect(all || unread.length > 0).toBe(true);
      }
    },
  );
}

const DISK_TOOLS = ["sfdisk", "mkfs.ext4", "debugfs", "qemu-img"];

/** A disk with a boot partition, swap, an ext4 at an odd place, and one that nothing knows. */
function makeDisk(directory: string): void {
  tree(directory);
  runIn(directory, "mkfs.ext4", ["-q", "-d", "root", "it.ext4", "16M"]);
  runIn(directory, "truncate", ["-s", "64M", "disk"]);
  const table = [
    "label: gpt",
    "size=2048, type=21686148-6449-6E6F-744E-656564454649",
    "size=32768, type=linux",
    "size=4096, type=swap",
    "size=4096, type=linux",
    "size=4096, type=linux",
  ];
  run("sfdisk", ["-q", join(directory, "disk")], `${table.join("\n")}\n`);
  const at = (offset: number, input: string) =>
    runIn(directory, "dd", [`if=${input}`, "of=disk", "bs=512", `seek=${offset}`, "conv=notrunc"]);
  at(4096, "it.ext4");
  writeFileSync(join(directory, "noise"), Buffer.alloc(4096, "what is this"));
  at(4096 + 32768 + 4096, "noise");
}

test.runIf(DISK_TOOLS.every((tool) => hasTool(tool)))(
  "disks: each partition, as plain or as virtual ones",
  async () => {
    const directory = temporaryDirectory();
    makeDisk(directory);
    const convert = (format: string, ...flags: string[]) =>
      runIn(directory, "qemu-img", ["convert", "-O", format, ...flags, "disk", `disk.${format}`]);
    convert("qcow2", "-c");
    convert("vmdk", "-o", "subformat=streamOptimized");
    for (const image of ["disk", "disk.qcow2", "disk.vmdk"]) {
      const files = Object.entries(FOUND).map(([path, uses]) => [`${image}!2!/${path}`, uses]);
      expect(await scanIn(directory, image)).toEqual({
        files: Object.fromEntries(files),
        skipped: [
          `${image}!1: a BIOS boot partition: no programs for Linux`,
          `${image}!3: swap: no programs for Linux`,
          `${image}!5: nothing is in it`,
        ],
        unread: [`${image}!4: neither machine code nor a readable image`],
      });
    }
  },
);

test.runIf(hasTool("qemu-img"))("a disk that says its data is elsewhere is refused", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "secret"), Buffer.concat([PLAIN, Buffer.alloc(1 << 20)]));
  const create = (...args: string[]) => runIn(directory, "qemu-img", ["create", "-q", ...args]);
  create("-f", "qcow2", "-b", join(directory, "secret"), "-F", "raw", "backed");
  create("-f", "qcow2", "-o", "data_file=data,data_file_raw=on", "outside", "1M");
  create("-f", "vmdk", "parent", "1M");
  create("-f", "vmdk", "-b", join(directory, "parent"), "-F", "vmdk", "child");
  for (const [image, why] of [
    ["backed", "qcow2 with a backing file: make one image of both (qemu-img convert)"],
    ["outside", "qcow2 with its data in another file"],
    ["child", "vmdk with a parent: make one image of both (qemu-img convert)"],
  ] as const) {
    const unread = [`${image}: ${why}`];
    expect(await scanIn(directory, image)).toEqual({ files: {}, skipped: [], unread });
  }
});

test.runIf(hasTool("bsdtar"))(
  "archives in archives are read, until they are too deep",
  async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "libneedy.so"), NEEDY);
    let inner = "libneedy.so";
    for (const name of ["a.jar", "b.jar", "c.tar", "d.whl", "e.zip", "f.zip"]) {
      const format = name.endsWith(".tar") ? "pax" : "zip";
      runIn(directory, "bsdtar", [`--format=${format}`, "-cf", name, inner]);
      inner = name;
    }
    expect((await scanIn(directory, "b.jar")).files).toEqual({
      "b.jar!/a.jar!/libneedy.so": "AVX512F",
    });
    const four = "d.whl!/c.tar!/b.jar!/a.jar!/libneedy.so";
    expect((await scanIn(directory, "d.whl")).files).toEqual({ [four]: "AVX512F" });
    expect((await scanIn(directory, "f.zip")).unread).toEqual([
      "f.zip!/e.zip!/d.whl!/c.tar!/b.jar!/a.jar: an image in an image: more than 4 deep",
    ]);
  },
);

test("what is compressed twice is said to be unread", async () => {
  const directory = temporaryDirectory();
  const twice = gzipSync(gzipSync(NEEDY));
  writeFileSync(join(directory, "it.tar"), tarOf([{ path: "needy.gz.gz", bytes: twice }]));
  const unread = ["it.tar!/needy.gz.gz: compressed twice: expand it once"];
  expect(await scanIn(directory, "it.tar")).toEqual({ files: {}, skipped: [], unread });
});

test.runIf(hasTool("xz"))("compressed programs in an image, such as kernel modules", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "needy.ko"), NEEDY);
  writeFileSync(join(directory, "motd"), "no machine code\n");
  runIn(directory, "xz", ["-k", "needy.ko", "motd"]);
  writeFileSync(
    join(directory, "it.tar"),
    tarOf(
      ["needy.ko.xz", "motd.xz"].map((path) => ({
        path,
        bytes: readFileSync(join(directory, path)),
      })),
    ),
  );
  const files = { "it.tar!/needy.ko.xz": "AVX512F" };
  expect(await scanIn(directory, "it.tar")).toEqual({ files, skipped: [], unread: [] });
});

const CONTAINER_TOOLS = ["umoci", "skopeo"];

/** An image of two layers: the upper one replaces, removes and adds. */
function makeImage(directory: string): void {
  const umoci = (...args: string[]) => runIn(directory, "umoci", args);
  umoci("init", "--layout", "image");
  umoci("new", "--image", "image:it");
  umoci("unpack", "--rootless", "--image", "image:it", "bundle");
  const rootfs = join(directory, "bundle/rootfs");
  for (const name of ["replaced", "removed", "kept"]) writeFileSync(join(rootfs, name), NEEDY);
  umoci("repack", "--refresh-bundle", "--image", "image:it", "bundle");
  writeFileSync(join(rootfs, "replaced"), PLAIN);
  rmSync(join(rootfs, "removed"));
  writeFileSync(join(rootfs, "added"), NEEDY);
  umoci("repack", "--refresh-bundle", "--image", "image:it", "bundle");
}

test.runIf(CONTAINER_TOOLS.every((tool) => hasTool(tool)))(
  "container images in every layout that skopeo writes",
  async () => {
    const directory = temporaryDirectory();
    makeImage(directory);
    const copies = [
      ["oci-archive:", "oci.tar", ":it"],
      ["docker-archive:", "docker.tar", ":it:latest"],
      ["dir:", "dir", ""],
      ["oci:", "zstd", ":it"],
    ] as const;
    for (const [transport, name, tag] of copies) {
      const flags = name === "zstd" ? ["--dest-compress-format", "zstd"] : [];
      const to = `${transport}${name}${tag}`;
      runIn(directory, "skopeo", ["--insecure-policy", "copy", "-q", ...flags, "oci:image:it", to]);
    }
    for (const name of ["oci.tar", "docker.tar"]) runIn(directory, "gzip", ["-k", name]);
    const images = ["image", ...copies.map(([, name]) => name), "oci.tar.gz", "docker.tar.gz"];
    for (const image of images) {
      const files = {
        [`${image}!/added`]: "AVX512F",
        [`${image}!/kept`]: "AVX512F",
        [`${image}!/replaced`]: "",
      };
      expect(await scanIn(directory, image)).toEqual({ files, skipped: [], unread: [] });
    }
  },
);
