/** Archives written byte by byte, so that hostile ones are possible. */

export interface TarEntry {
  readonly path: string;
  /** `0` file, `2` symbolic link, `5` directory. */
  readonly type?: string;
  readonly link?: string;
  readonly bytes?: Buffer;
}

function tarHeader({ path, type = "0", link = "", bytes }: TarEntry): Buffer {
  const header = Buffer.alloc(512);
  header.write(path, 0, 100, "utf8");
  header.write("0000755\0" + "0000000\0".repeat(2), 100, "latin1");
  header.write(`${(bytes?.length ?? 0).toString(8).padStart(11, "0")}\0`, 124, "latin1");
  header.write("00000000000\0        ", 136, "latin1");
  header.write(type, 156, "latin1");
  header.write(link, 157, 100, "utf8");
  header.write("ustar\u000000", 257, "latin1");
  const sum = header.reduce((a, b) => a + b, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

function padded(bytes: Buffer, align: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((align - (bytes.length % align)) % align)]);
}

export function tarOf(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => [
    tarHeader(entry),
    padded(entry.bytes ?? Buffer.alloc(0), 512),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

const MODES: Readonly<Record<string, number>> = { "0": 0o100_755, "2": 0o120_777, "5": 0o040_755 };

function cpioEntry({ path, type = "0", link, bytes }: TarEntry): Buffer {
  const name = Buffer.from(`${path}\0`);
  const body = bytes ?? Buffer.from(link ?? "");
  const fields = [1, MODES[type] ?? 0, 0, 0, 1, 0, body.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name]), 4), padded(body, 4)]);
}

export function cpioOf(entries: readonly TarEntry[]): Buffer {
  const parts = [
    ...entries.map(cpioEntry),
    cpioEntry({ path: "TRAILER!!!", bytes: Buffer.alloc(0) }),
  ];
  return padded(Buffer.concat(parts), 512);
}
