/** What boots in the lab: the canary, or what a user gives instead. */
import { readFile } from "node:fs/promises";
import { initramfs, programEntries } from "@evenkeel/host";
import { canaryInitramfs } from "./canary/canary.ts";
import { LabError } from "./errors.ts";

const MAGICS: readonly (readonly [name: "program" | "initramfs", magic: Buffer])[] = [
  ["program", Buffer.from("7f454c46", "hex")],
  ["initramfs", Buffer.from("070701", "latin1")],
  ["initramfs", Buffer.from("070702", "latin1")],
  ["initramfs", Buffer.from("1f8b", "hex")],
  ["initramfs", Buffer.from("28b52ffd", "hex")],
  ["initramfs", Buffer.from("fd377a585a00", "hex")],
];

/** Offsets and values in an ELF header. Source: ELF-64 object file format. */
const [ELF_MACHINE, EM_X86_64, ELF_PHOFF, ELF_PHENTSIZE, ELF_PHNUM] = [18, 62, 32, 54, 56];
const PT_INTERP = 3;

function hasInterpreter(elf: Buffer): boolean {
  const [start, size, count] = [
    Number(elf.readBigUInt64LE(ELF_PHOFF)),
    elf.readUInt16LE(ELF_PHENTSIZE),
    elf.readUInt16LE(ELF_PHNUM),
  ];
  for (let i = 0; i < count; i++) if (elf.readUInt32LE(start + i * size) === PT_INTERP) return true;
  return false;
}

/** Refuses a program that cannot run as the only program of a guest. */
function checkProgram(path: string, elf: Buffer): void {
  try {
    if (elf.readUInt16LE(ELF_MACHINE) !== EM_X86_64) {
      throw new LabError("BAD_IMAGE", `${path} is a program for another architecture`);
    }
    if (hasInterpreter(elf)) {
      throw new LabError(
        "BAD_IMAGE",
        `${path} is linked dynamically: there is no libc in the guest`,
      );
    }
  } catch (error) {
    if (error instanceof LabError) throw error;
    throw new LabError("BAD_IMAGE", `${path} is a truncated ELF file`, { cause: error });
  }
}

export interface GuestImage {
  readonly initrd: Buffer;
  /** Whether it is the canary, which reports what it sees. */
  readonly canary: boolean;
}

/** The canary, or the file: an initramfs as it is, a static program packed as one's init. */
export async function guestImage(path: string | undefined): Promise<GuestImage> {
  if (path === undefined) return { initrd: canaryInitramfs(), canary: true };
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LabError("BAD_IMAGE", `cannot read ${path}: ${why}`, { cause });
  }
  const kind = MAGICS.find(([, magic]) => bytes.subarray(0, magic.length).equals(magic))?.[0];
  if (kind === undefined) {
    throw new LabError("BAD_IMAGE", `${path} is neither an initramfs nor a program`);
  }
  if (kind === "initramfs") return { initrd: bytes, canary: false };
  checkProgram(path, bytes);
  return { initrd: initramfs(programEntries(bytes)), canary: false };
}
