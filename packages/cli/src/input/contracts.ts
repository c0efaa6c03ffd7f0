/** Contracts: read from files, and from profiles as the commands that predict them need it. */
import {
  CoreError,
  FileError,
  decodeSignature,
  formatFms,
  isRefusedOn,
  knownLine,
  newestVersion,
  predictContract,
  type ContractResult,
  type CpuContract,
  type NodeProfile,
  signatureOf,
} from "@evenkeel/core";
import type { LoadedTemplate, TemplateSource } from "@evenkeel/host/cpu-template";
import { CliError } from "../errors.ts";
import { loadDocument } from "./documents.ts";
import { displayName } from "./read.ts";

/** Reads a snapshot's contract; throws NOT_A_CONTRACT for another document. */
export function loadContract(file: string): CpuContract {
  const document = loadDocument(file);
  if (document.kind === "contract") return document.contract;
  const message = `this is a ${document.kind}, not a snapshot's contract`;
  const error = new CoreError("NOT_A_CONTRACT", [{ path: "", message }]);
  throw new FileError(displayName(file), error);
}

export interface BootFlags {
  readonly firecracker?: string;
  readonly vcpus?: string;
  readonly smt?: boolean;
}

/** The version asked for, else the newest one that the node has. */
function versionFor(profile: NodeProfile, { firecracker }: BootFlags): string {
  const version = firecracker ?? newestVersion(profile.firecracker);
  if (version === undefined) {
    throw new CliError("NO_VERSION", `${profile.name}: its profile names no Firecracker version`);
  }
  return version;
}

function vcpuCount(text: string | undefined): number {
  const count = Number(text ?? "1");
  if (Number.isInteger(count) && count >= 1 && count <= 32) return count;
  throw new CliError("USAGE", `--vcpus must be 1 to 32, but is "${text}"`);
}

/** Throws if the version refuses a built-in template on this model. */
function refusedModel(
  profile: NodeProfile,
  version: string,
  { builtIn }: LoadedTemplate,
): string | undefined {
  if (builtIn?.row === undefined) return undefined;
  const signature = decodeSignature(signatureOf(profile.cpu.cpuid) ?? 0);
  if (!isRefusedOn(builtIn.row, signature, knownLine(version))) return undefined;
  return `${builtIn.name} on model ${formatFms(signature)}`;
}

/** The contract of a snapshot taken on this node, whose guest boots with the given template. */
export function predictFor(
  profile: NodeProfile,
  source: TemplateSource,
  flags: BootFlags,
  time?: string,
): ContractResult {
  const version = versionFor(profile, flags);
  const loaded = source.forNode(profile);
  const refused = refusedModel(profile, version, loaded);
  if (refused !== undefined) return { ok: false, missing: [refused] };
  const template = loaded.templateFor(version);
  return predictContract(profile, {
    firecracker: version,
    vcpus: vcpuCount(flags.vcpus),
    smt: flags.smt === true,
    ...(template === undefined ? {} : { template }),
    ...(loaded.name === undefined ? {} : { templateName: loaded.name }),
    ...(loaded.class === undefined ? {} : { class: loaded.class }),
    ...(time === undefined ? {} : { time }),
  });
}

/** Like {@link predictFor}; throws CANNOT_BOOT if Firecracker would not boot the guest there. */
export function requireContract(...asked: Parameters<typeof predictFor>): CpuContract {
  const result = predictFor(...asked);
  if (result.ok) return result.contract;
  const [profile] = asked;
  const what = result.missing.join(", ");
  throw new CliError(
    "CANNOT_BOOT",
    `${profile.name} cannot boot this guest: the node lacks ${what}`,
  );
}
