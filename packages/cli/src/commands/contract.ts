/** `evenkeel contract`: the guest CPU that a snapshot taken on this node would promise. */
import { contractToJson, prettyJson } from "@evenkeel/core";
import { predictFor, type BootFlags } from "../input/contracts.ts";
import { profileLoader, type ReadFlags } from "../input/documents.ts";
import { shapeOf, type ShapeFlags } from "../input/shape.ts";
import { writeFileWhole } from "../output/write-files.ts";

export interface ContractFlags extends BootFlags, ReadFlags, ShapeFlags {
  readonly out?: string;
}

export function runContract(file: string, flags: ContractFlags): number {
  const shape = shapeOf(flags);
  const profile = profileLoader(flags)(file);
  const result = predictFor(profile, shape, flags, new Date().toISOString());
  if (!result.ok) {
    const what = result.missing.join(", ");
    process.stderr.write(`evenkeel: ${profile.name} cannot boot this guest: it lacks ${what}\n`);
    return 1;
  }
  const text = prettyJson(contractToJson(result.contract));
  if (flags.out === undefined) process.stdout.write(text);
  else writeFileWhole(flags.out, text);
  return 0;
}
