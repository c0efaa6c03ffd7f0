/** A small file system tree, and what is found in it. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NEEDY, PLAIN } from "./scan-in.ts";

/** What is found of {@link tree} in an image. */
export const FOUND: Readonly<Record<string, string>> = {
  "usr/bin/needy": "AVX512F",
  "usr/bin/plain": "",
  "usr/share/a name": "AVX512F",
};

/** A tree with what images have in them, in `directory/root`. */
export function tree(directory: string): string {
  const root = join(directory, "root");
  for (const path of ["usr/bin", "usr/share", "etc"])
    mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, "usr/bin/needy"), NEEDY);
  writeFileSync(join(root, "usr/bin/plain"), PLAIN);
  writeFileSync(join(root, "usr/share/a name"), NEEDY);
  writeFileSync(join(root, "etc/motd"), "no machine code\n");
  writeFileSync(join(root, "etc/zeros"), Buffer.alloc(3 * 1024 * 1024));
  symlinkSync("/etc/passwd", join(root, "etc/outside"));
  return root;
}
