/**
 * Archives in cpio's newc format, as kernels unpack them at boot: several may follow one another.
 * Source: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
 */
import { normalPath, type Entry } from "../entry.ts";
import { ImageError, type Limits } from "../limits.ts";
import { isCpioHeader } from "../magic.ts";
import { takeAll, type Pull } from "../pull.ts";

const HEADER_SIZE = 110;
const LONGEST_NAME = 64 * 1024;
const TRAILER = "TRAILER!!!";

function field(header: Buffer, index: number): number {
  const digits = header.toString("latin1", 6 + index * 8, 14 + index * 8);
  return /^[\da-fA-F]{8}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
}

const FORMAT = 0o170_000;
const REGULAR = 0o100_000;
const DIRECTORY = 0o040_000;

function kindOf(mode: number): Entry["kind"] {
  if ((mode & FORMAT) === REGULAR) return "file";
  return (mode & FORMAT) === DIRECTORY ? "directory" : "other";
}

async function align(pull: Pull, start: number): Promise<void> {
  await pull.take((4 - ((pull.position() - start) % 4)) % 4);
}

/**
 * The entries of one archive, up to its trailer. `taken`: bytes of its first header that were
 * taken to find it. Throws {@link ImageError} where it is damaged.
 */
async function* cpioEntries(pull: Pull, limits: Limits, taken: Buffer): AsyncGenerator<Entry> {
  const start = pull.position() - taken.length;
  for (let count = 0; ; count++) {
    if (count > limits.entries) throw new ImageError(`more than ${limits.entries} entries`);
    const at = pull.position();
    const begun = count === 0 ? taken : Buffer.alloc(0);
    const rest = await takeAll(pull, HEADER_SIZE - begun.length, "cpio");
    const header = Buffer.concat([begun, rest]);
    const [mode, size, nameSize] = [field(header, 1), field(header, 6), field(header, 11)];
    if (!isCpioHeader(header) || !(mode >= 0) || !(size >= 0) || !(nameSize > 0)) {
      throw new ImageError(`cpio: no header at ${at}`);
    }
    if (nameSize > LONGEST_NAME) throw new ImageError(`cpio: a name of ${nameSize} bytes at ${at}`);
    const name = (await takeAll(pull, nameSize, "cpio")).toString("utf8", 0, nameSize - 1);
    await align(pull, start);
    if (name === TRAILER) return;
    const offset = pull.position();
    yield { path: normalPath(name), kind: kindOf(mode), size, body: pull, offset };
    await pull.skip(offset + size - pull.position());
    await align(pull, start);
  }
}

/** More zeros than any tool puts between two archives. */
const MOST_PADDING = 1024 * 1024;

/** The first four bytes after padding; undefined at the end. */
async function afterZeros(pull: Pull): Promise<Buffer | undefined> {
  for (let skipped = 0; skipped < MOST_PADDING; skipped += 4) {
    const bytes = await pull.take(4);
    if (bytes.length < 4) return undefined;
    if (bytes.some((byte) => byte !== 0)) return bytes;
  }
  return undefined;
}

/**
 * The entries of archives that follow one another. Returns the position of what is no cpio
 * archive any more, such as a compressed one; undefined at the end.
 */
export async function* cpioSequence(
  pull: Pull,
  limits: Limits,
): AsyncGenerator<Entry, number | undefined> {
  for (;;) {
    const start = await afterZeros(pull);
    if (start === undefined) return undefined;
    if (!/^0707$/.test(start.toString("latin1"))) return pull.position() - 4;
    yield* cpioEntries(pull, limits, start);
  }
}
