/** What can be wrong with an ELF file, with the part of it that is wrong. */
import { IsaError } from "../errors.ts";

/**
 * - `NOT_ELF`: another kind of file
 * - `BAD_ELF`: truncated, or a table points outside the file or its limits
 */
type ElfErrorCode = "NOT_ELF" | "BAD_ELF";

export class ElfError extends IsaError {
  /** `section header table`, `.symtab`, … */
  readonly where: string;

  constructor(code: ElfErrorCode, where: string, message: string) {
    super(code, `${where}: ${message}`);
    this.name = "ElfError";
    this.where = where;
  }
}

export function badElf(where: string, message: string): never {
  throw new ElfError("BAD_ELF", where, message);
}
