/** Debian packages: an ar archive whose member `data.tar…` has the files. Source: deb(5). */
import { ImageError } from "../limits.ts";
import { pullFile, type FilePart } from "../pull.ts";

const MAGIC_SIZE = 8;
const HEADER_SIZE = 60;
/** `debian-binary`, `control.tar`, `data.tar`, and what dpkg may ignore. */
const MOST_MEMBERS = 64;

/** The archive with a package's files. Throws {@link ImageError} where there is none. */
export async function dataOfDeb(part: FilePart): Promise<FilePart> {
  const pull = await pullFile(part);
  try {
    await pull.skip(MAGIC_SIZE);
    for (let member = 0; member < MOST_MEMBERS; member++) {
      const header = (await pull.take(HEADER_SIZE)).toString("latin1");
      const [, size] = /^(\d+) *$/.exec(header.slice(48, 58)) ?? [];
      if (size === undefined || !header.endsWith("`\n")) break;
      const start = part.start + pull.position();
      if (/^data\.tar[./ ]/.test(header)) {
        if (start + Number(size) > part.start + part.size) break;
        return { path: part.path, start, size: Number(size) };
      }
      await pull.skip(Number(size) + (Number(size) % 2));
    }
    throw new ImageError("a Debian package without data.tar, or cut short before it");
  } finally {
    await pull.close();
  }
}
