/** `evenkeel launcher`: install, uninstall and inspect the script in Firecracker's place. */
import { resolve } from "node:path";
import { prettyJson, type NodeProfile } from "@evenkeel/core";
import {
  HostError,
  installLauncher,
  launcherStatus,
  uninstallLauncher,
  type LauncherRecord,
} from "@evenkeel/host";
import {
  openTemplate,
  resolveTemplate,
  type LoadedTemplate,
  type TemplateRequest,
} from "@evenkeel/host/cpu-template";
import { CliError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { readIfThere, requestOf, type TemplateFlags } from "../input/template.ts";
import { probeThisNode } from "../input/this-node.ts";
import { launcherReport } from "../render/launcher.ts";

interface NodeFlags extends TemplateFlags {
  readonly node?: string;
  readonly kvm?: string;
  readonly allowInsecure?: boolean;
}

export interface InstallFlags extends NodeFlags {
  readonly firecracker: string;
  readonly at: string;
  readonly guard?: boolean;
  readonly contracts?: string;
  readonly json?: boolean;
}

export interface AtFlags {
  readonly at: string;
  readonly json?: boolean;
}

/** With absolute paths: an installed launcher must not depend on the working directory. */
function requestToInstall(flags: TemplateFlags): TemplateRequest {
  const request = requestOf(flags);
  if (request.kind === "none") {
    throw new CliError("USAGE", "give one of --template, --cpu-template and --plan (not None)");
  }
  return "path" in request ? { ...request, path: resolve(request.path) } : request;
}

function warn(text: string): void {
  process.stderr.write(`evenkeel: ${text}\n`);
}

function load(
  request: TemplateRequest,
  version: string,
  profile: NodeProfile | undefined,
  allowInsecure: boolean,
): LoadedTemplate {
  if (profile === undefined) {
    const loaded = openTemplate(request, readIfThere).forNode(profile);
    warn(
      "the template was not linted: this machine has no KVM, and no profile was given with --node",
    );
    return loaded;
  }
  const context = { profile, versions: [version], allowInsecure, read: readIfThere };
  const { findings, ...loaded } = resolveTemplate(request, context);
  for (const { severity, address, message } of findings) {
    if (severity !== "note") warn(`${severity}: ${address === "" ? "" : `${address}: `}${message}`);
  }
  return loaded;
}

/** A template's name in a launcher's record. */
function sourceOf({ name = "", class: nodeClass, plan }: LoadedTemplate): string {
  return plan === undefined ? name : `${plan}, class ${nodeClass}`;
}

/** The address as contracts write it. */
function namesOf({ name, class: nodeClass, plan, accepted }: LoadedTemplate) {
  return {
    ...(accepted === undefined ? {} : { accepted }),
    ...(name === undefined ? {} : { name }),
    ...(nodeClass === undefined ? {} : { class: nodeClass }),
    ...(plan === undefined ? {} : { plan }),
  };
}

function print(record: LauncherRecord, at: string, json: boolean | undefined, did: string): void {
  process.stdout.write(
    json === true ? prettyJson({ at, ...record }) : launcherReport(record, at, did),
  );
}

/**
 * This machine, unless it has no KVM: images are built on such machines too. A plan needs a node,
 * whose profile says which class it is of.
 */
async function thisNode(
  request: TemplateRequest,
  { kvm }: NodeFlags,
): Promise<NodeProfile | undefined> {
  try {
    return await probeThisNode(kvm === undefined ? {} : { kvm });
  } catch (error) {
    const absent = error instanceof HostError && error.code === "NO_KVM";
    if (absent && openTemplate(request, readIfThere).kind !== "plans") return undefined;
    throw error;
  }
}

export async function runInstall(flags: InstallFlags): Promise<number> {
  const request = requestToInstall(flags);
  const { firecracker, at, node, allowInsecure = false, guard = false, contracts, json } = flags;
  if (contracts !== undefined && !guard) {
    throw new CliError("USAGE", "--contracts needs --guard");
  }
  const profile = node === undefined ? await thisNode(request, flags) : profileLoader()(node);
  if (guard && profile === undefined) {
    throw new CliError("USAGE", "--guard judges loads for this node: name its profile with --node");
  }
  const record = await installLauncher({
    firecracker,
    at,
    choose: (version) => {
      const loaded = load(request, version, profile, allowInsecure);
      const template = loaded.templateFor(version);
      if (template === undefined) throw new CliError("USAGE", "no template to install");
      return { template, source: sourceOf(loaded), names: namesOf(loaded) };
    },
    ...(profile === undefined ? {} : { node: profile.name }),
    ...(guard && profile !== undefined ? { guard: profile } : {}),
    ...(contracts === undefined ? {} : { contracts: resolve(contracts) }),
    time: new Date().toISOString(),
    path: process.env["PATH"] ?? "",
  });
  print(record, at, json, "Installed");
  return 0;
}

export function runUninstall({ at, json }: AtFlags): number {
  print(uninstallLauncher(at), at, json, "Took away");
  return 0;
}

export function runStatus({ at, json }: AtFlags): number {
  const { record, problems } = launcherStatus(at);
  if (json === true) process.stdout.write(prettyJson({ at, ...record, problems }));
  else process.stdout.write(launcherReport(record, at, "Launcher", problems));
  return problems.length === 0 ? 0 : 1;
}
