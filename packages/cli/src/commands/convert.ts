/** `evenkeel convert`: a file that describes a node, as an evenkeel profile. */
import { formatProfile } from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { writeFileWhole } from "../output/write-files.ts";

export interface ConvertFlags extends ReadFlags {
  readonly name?: string;
  readonly out?: string;
}

export function runConvert(file: string, flags: ConvertFlags): number {
  if (flags.name === "") throw new CliError("USAGE", "--name is empty");
  const profile = profileLoader(flags)(file);
  const text = formatProfile({ ...profile, name: flags.name ?? profile.name });
  if (flags.out === undefined) process.stdout.write(text);
  else writeFileWhole(flags.out, text);
  return 0;
}
