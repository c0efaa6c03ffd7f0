/** `evenkeel contract`: the guest CPU that a snapshot taken on this node would promise. */
import { contractToJson, prettyJson } from "@evenkeel/core";
import { requireContract, type BootFlags } from "../input/contracts.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { openFlags, type TemplateFlags } from "../input/template.ts";
import { writeFileWhole } from "../output/write-files.ts";

export interface ContractFlags extends BootFlags, ReadFlags, TemplateFlags {
  readonly out?: string;
}

export function runContract(file: string, flags: ContractFlags): number {
  const source = openFlags(flags);
  const profile = profileLoader(flags)(file);
  const contract = requireContract(profile, source, flags, new Date().toISOString());
  const text = prettyJson(contractToJson(contract));
  if (flags.out === undefined) process.stdout.write(text);
  else writeFileWhole(flags.out, text);
  return 0;
}
