/**
 * Disks: images of virtual machines are made plain ones with qemu-img, partitions are found with
 * sfdisk. Source: QEMU docs/interop/qcow2.txt; VMware "Virtual Disk Format 5.0"; sfdisk(8).
 */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { skipped, unread, type Found } from "../candidate.ts";
import type { Extraction } from "../entries.ts";
import { ImageError } from "../limits.ts";
import { pullFile, type FilePart } from "../pull.ts";
import { runTool } from "../tool.ts";

const HEADER = 64 * 1024;
const SECTOR = 512;

async function headerOf(path: string): Promise<Buffer> {
  const pull = await pullFile({ path, start: 0, size: HEADER });
  return pull.take(HEADER).finally(() => pull.close());
}

/** What an image may say is elsewhere: on this machine, or across a network. */
function refuseElsewhere(format: "qcow2" | "vmdk", header: Buffer): void {
  const has = (length: number) => header.length >= length;
  const broken = () => new ImageError(`${format}: its header is damaged`);
  if (format === "qcow2") {
    if (!has(104)) throw broken();
    const [version, method] = [header.readUInt32BE(4), header.readUInt32BE(32)];
    if (header.readBigUInt64BE(8) !== 0n) {
      throw new ImageError("qcow2 with a backing file: make one image of both (qemu-img convert)");
    }
    if (method !== 0) throw new ImageError("qcow2: encrypted");
    const externalData = version >= 3 && (header.readBigUInt64BE(72) & 4n) !== 0n;
    if (externalData) throw new ImageError("qcow2 with its data in another file");
    return;
  }
  if (!has(SECTOR)) throw broken();
  const [capacity, at, size] = [12, 28, 36].map((offset) => Number(header.readBigUInt64LE(offset)));
  const [start, length] = [(at ?? 0) * SECTOR, (size ?? 0) * SECTOR];
  if (capacity === 0 || start === 0 || !has(start + length)) throw broken();
  const descriptor = header.toString("latin1", start, start + length);
  if (!/^parentCID=ffffffff\s*$/im.test(descriptor) || /parentFileNameHint/i.test(descriptor)) {
    throw new ImageError("vmdk with a parent: make one image of both (qemu-img convert)");
  }
}

/** A plain disk image, whose zeros take no room. Throws {@link ImageError}. */
export async function plainDisk(
  path: string,
  format: "qcow2" | "vmdk",
  { workspace, budget }: Extraction,
): Promise<FilePart> {
  refuseElsewhere(format, await headerOf(path));
  const tool = { command: "qemu-img", package: "qemu-utils", reads: format };
  const copy = workspace.next();
  const written = async () => (await stat(copy)).blocks * SECTOR;
  await runTool(tool, ["convert", "-f", format, "-O", "raw", resolve(path), copy], {
    watch: (end) => {
      written().then(
        (bytes) => {
          const why = budget.refusal(bytes);
          if (why !== undefined) end(why);
        },
        () => {},
      );
    },
  });
  budget.spend(await written());
  return { path: copy, start: 0, size: (await stat(copy)).size };
}

interface Partition {
  readonly number: string;
  readonly part: FilePart;
  readonly type: string;
}

const SFDISK = { command: "sfdisk", package: "fdisk", reads: "a partition table" };

async function partitionsOf({ path, size }: FilePart): Promise<Partition[]> {
  const text = await runTool(SFDISK, ["--json", resolve(path)]);
  const { partitiontable: table } = JSON.parse(text) as {
    partitiontable?: {
      sectorsize?: number;
      partitions?: readonly { node: string; start: number; size: number; type: string }[];
    };
  };
  const sector = table?.sectorsize ?? SECTOR;
  return (table?.partitions ?? []).map(({ node, start, size: sectors, type }) => {
    const from = Math.min(start * sector, size);
    const length = Math.min(sectors * sector, size - from);
    return {
      number: /\d+$/.exec(node)?.[0] ?? "?",
      type,
      part: { path, start: from, size: length },
    };
  });
}

/** Partitions with no programs for Linux in them, by their types. Source: UEFI 2.10, table 5.6. */
const NO_PROGRAMS: ReadonlyMap<string, string> = new Map([
  ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "an EFI system partition"],
  ["21686148-6449-6E6F-744E-656564454649", "a BIOS boot partition"],
  ["0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "swap"],
  ["ef", "an EFI system partition"],
  ["82", "swap"],
]);
/** Extended partitions hold the ones with numbers from 5 on. */
const EXTENDED = new Set(["5", "f", "85"]);

async function isEmpty(part: FilePart): Promise<boolean> {
  const pull = await pullFile({ ...part, size: Math.min(part.size, 1024 * 1024) });
  return (await pull.take(1024 * 1024).finally(() => pull.close())).every((byte) => byte === 0);
}

export async function* findInDisk(
  name: string,
  disk: FilePart,
  extraction: Extraction,
  open: (name: string, part: FilePart, extraction: Extraction) => AsyncGenerator<Found>,
): AsyncGenerator<Found> {
  if (disk.start !== 0) throw new ImageError("a partition table in a partition");
  for (const { number, part, type } of await partitionsOf(disk)) {
    const partition = `${name}!${number}`;
    const without = NO_PROGRAMS.get(type);
    if (EXTENDED.has(type)) continue;
    if (without !== undefined) yield skipped(partition, `${without}: no programs for Linux`);
    else if (await isEmpty(part)) yield skipped(partition, "nothing is in it");
    else {
      try {
        yield* open(partition, part, { ...extraction, named: true });
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
        yield unread(partition, error.message);
      }
    }
  }
}
