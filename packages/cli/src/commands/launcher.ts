/** `evenkeel launcher`: install, uninstall and look at the script in Firecracker's place. */
import { resolve } from "node:path";
import { prettyJson, type NodeProfile } from "@evenkeel/core";
import {
  builtInRequest,
  HostError,
  installLauncher,
  launcherStatus,
  loadTemplate,
  readTextFile,
  resolveTemplate,
  uninstallLauncher,
  type LauncherRecord,
  type LoadedTemplate,
  type TemplateRequest,
} from "@evenkeel/host";
import { CliError } from "../errors.ts";
import { profileLoader } from "../input/documents.ts";
import { probeThisNode } from "../input/this-node.ts";
import { launcherReport } from "../render/launcher.ts";

interface TemplateFlags {
  readonly plan?: string;
  readonly template?: string;
  readonly cpuTemplate?: string;
  readonly node?: string;
  readonly kvm?: string;
  readonly allowInsecure?: boolean;
}

export interface InstallFlags extends TemplateFlags {
  readonly firecracker: string;
  readonly at: string;
  readonly guard?: boolean;
  readonly json?: boolean;
}

export interface AtFlags {
  readonly at: string;
  readonly json?: boolean;
}

function requestOf({ plan, template, cpuTemplate }: TemplateFlags): TemplateRequest {
  const requests: TemplateRequest[] = [
    ...(plan === undefined ? [] : [{ kind: "plan", path: resolve(plan) } as const]),
    ...(template === undefined ? [] : [{ kind: "file", path: resolve(template) } as const]),
    ...(cpuTemplate === undefined ? [] : [builtInRequest(cpuTemplate)]),
  ];
  const [request] = requests;
  if (request === undefined || requests.length > 1 || request.kind === "none") {
    throw new CliError("USAGE", "give one of --plan, --template and --cpu-template (not None)");
  }
  return request;
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
    const loaded = loadTemplate(request, profile, readTextFile);
    warn("the template was not linted: this machine has no KVM, and --node names no profile");
    return loaded;
  }
  const context = { profile, versions: [version], allowInsecure, read: readTextFile };
  const { findings, ...loaded } = resolveTemplate(request, context);
  for (const { severity, address, message } of findings) {
    if (severity !== "note") warn(`${severity}: ${address === "" ? "" : `${address}: `}${message}`);
  }
  return loaded;
}

/** How a launcher's record names its template. */
function sourceOf({ name = "", class: nodeClass, plan }: LoadedTemplate): string {
  return plan === undefined ? name : `${plan}, class ${nodeClass}`;
}

/** What contracts call it. */
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
  { kvm }: TemplateFlags,
): Promise<NodeProfile | undefined> {
  try {
    return await probeThisNode(kvm === undefined ? {} : { kvm });
  } catch (error) {
    const absent = error instanceof HostError && error.code === "NO_KVM";
    if (absent && request.kind !== "plan") return undefined;
    throw error;
  }
}

export async function runInstall(flags: InstallFlags): Promise<number> {
  const request = requestOf(flags);
  const { firecracker, at, node, allowInsecure = false, guard = false, json } = flags;
  const profile = node === undefined ? await thisNode(request, flags) : profileLoader()(node);
  if (guard && profile === undefined) {
    throw new CliError("USAGE", "--guard judges for this node: name its profile with --node");
  }
  const record = await installLauncher({
    firecracker,
    at,
    choose: (version) => {
      const loaded = load(request, version, profile, allowInsecure);
      const template = loaded.templateFor(version);
      if (template === undefined) throw new CliError("USAGE", "there is no template to install");
      return { template, source: sourceOf(loaded), names: namesOf(loaded) };
    },
    ...(profile === undefined ? {} : { node: profile.name }),
    ...(guard && profile !== undefined ? { guard: profile } : {}),
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
