/** What can be wrong with a file of machine code, with the place where it is wrong. */

/**
 * - `NOT_ELF`: another kind of file
 * - `BAD_ELF`: truncated, or a table points outside the file or its limits
 */
export type ElfErrorCode = "NOT_ELF" | "BAD_ELF";

const HINTS: Readonly<Record<ElfErrorCode, string>> = {
  NOT_ELF: "Give an ELF executable, shared object, object file or core.",
  BAD_ELF: "The file is damaged or was cut short; `readelf -a` shows how far it can be read.",
};

export class ElfError extends Error {
  readonly code: ElfErrorCode;
  readonly exitCode = 2;
  /** What in the file is wrong: `section header table`, `.symtab`, … */
  readonly where: string;

  constructor(code: ElfErrorCode, where: string, message: string) {
    super(`${where}: ${message}`);
    this.name = "ElfError";
    this.code = code;
    this.where = where;
  }

  get hint(): string {
    return HINTS[this.code];
  }
}

export function badElf(where: string, message: string): never {
  throw new ElfError("BAD_ELF", where, message);
}
