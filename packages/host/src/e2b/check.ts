/** Whether a node of E2B's gives its guests the pool's CPU, and reports that CPU. */
import { join } from "node:path";
import {
  FIRECRACKER_DIRECTORY,
  findFirecrackers,
  findKernels,
  KERNELS_DIRECTORY,
} from "../firecracker/find.ts";
import { HostError } from "../errors.ts";
import { readTextFile } from "../files.ts";
import { readHostProc, type HostProcRecord } from "../host-proc/directory.ts";
import { launchersIn, type FoundLauncher } from "../host-proc/launchers.ts";
import { isShared } from "../launcher/files.ts";
import { launcherStatus } from "../launcher/install.ts";
import { findOrchestrators, type Orchestrator } from "./processes.ts";
import { askServiceInfo, type ReportedCpu } from "./service-info.ts";

/** E2B's default, where the orchestrator's environment says nothing else. */
const GRPC_PORT = "5008";

/** Where launchers go that cannot take Firecracker's place. */
const LOCAL_DIRECTORY = "/var/lib/evenkeel/fc-versions";

export interface E2bFinding {
  readonly about: "firecracker" | "kernel" | "host-proc" | "orchestrator";
  readonly ok: boolean;
  readonly text: string;
  /** How to fix it: a command, or a setting. */
  readonly mend?: string;
}

export interface E2bOptions {
  readonly at: string;
  readonly proc: string;
  /** By default where the orchestrators' environment says, else where E2B keeps them. */
  readonly firecrackers?: string;
  readonly kernels?: string;
  /** What a plan wants of this node: the template's digest and the model. */
  readonly expected?: { readonly template: string; readonly model: string };
  /** How the plan is named in commands. */
  readonly plan: string;
}

function good(about: E2bFinding["about"], text: string): E2bFinding {
  return { about, ok: true, text };
}

function bad(about: E2bFinding["about"], text: string, mend: string): E2bFinding {
  return { about, ok: false, text, mend };
}

/** A word of a command line. */
function quoted(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function installing(real: string, at: string, plan: string): string {
  const paths = `--firecracker ${quoted(real)} --at ${quoted(at)}`;
  return `evenkeel launcher install ${paths} --plan ${quoted(plan)}`;
}

/** Why no microVM starts through it; a problem of its Firecracker is a problem of the launcher. */
function statusProblems(path: string): readonly string[] {
  try {
    return launcherStatus(path).problems;
  } catch (error) {
    if (error instanceof HostError) return [error.message];
    throw error;
  }
}

/** `to`: where a launcher for it belongs. */
function aboutLauncher(launcher: FoundLauncher, to: string, plan: string): E2bFinding {
  const { path, record } = launcher;
  const problems = [...launcher.problems, ...(record === undefined ? [] : statusProblems(path))];
  if (record !== undefined && problems.length === 0) {
    const guard = record.guard === undefined ? "without a guard" : "with a guard";
    return good("firecracker", `${path}: launcher of Firecracker ${record.version}, ${guard}`);
  }
  const { contracts } = record?.guard ?? {};
  const guard = record?.guard === undefined ? "" : " --guard";
  const store = contracts === undefined ? "" : ` --contracts ${quoted(contracts)}`;
  const mend = `${installing(record?.real ?? path, to, plan)}${guard}${store}`;
  return bad("firecracker", problems.join("; "), mend);
}

/** Versions that E2B has put on the node, and that the orchestrator does not find. */
function withoutLauncher(directory: string, plan: string): E2bFinding[] {
  if (directory === FIRECRACKER_DIRECTORY) return [];
  const there = new Set(
    findFirecrackers({ FIRECRACKER_VERSIONS_DIR: directory }).map((f) => f.version),
  );
  return findFirecrackers({ FIRECRACKER_VERSIONS_DIR: FIRECRACKER_DIRECTORY })
    .filter(({ version }) => !there.has(version))
    .map(({ version, path }) => {
      const at = join(directory, version, "firecracker");
      return bad(
        "firecracker",
        `${path} has no launcher in ${directory}`,
        installing(path, at, plan),
      );
    });
}

function aboutFirecrackers(directory: string, template: string | undefined, plan: string) {
  const launchers = launchersIn(directory, template);
  const shared = isShared(directory);
  const placeFor = ({ version, path }: FoundLauncher) =>
    shared ? join(LOCAL_DIRECTORY, version, "firecracker") : path;
  const findings = launchers.map((one) => aboutLauncher(one, placeFor(one), plan));
  const digests = new Set(launchers.flatMap(({ record }) => record?.digest ?? []));
  if (launchers.length === 0) {
    findings.push(bad("firecracker", `no Firecracker in ${directory}`, "docs/e2b.md, step 2"));
  }
  if (digests.size > 1) {
    const text = `the launchers in ${directory} have ${digests.size} different templates`;
    findings.push(bad("firecracker", text, "install all of them again with one plan"));
  }
  if (shared) {
    const text = `${directory} is on a file system that other nodes share, but a launcher is for one node`;
    const mend = `set FIRECRACKER_VERSIONS_DIR = "${LOCAL_DIRECTORY}", with launchers there`;
    findings.push(bad("firecracker", text, mend));
  }
  return [...findings, ...withoutLauncher(directory, plan)];
}

function aboutKernels(directory: string): E2bFinding {
  const kernels = findKernels({ HOST_KERNELS_DIR: directory });
  if (kernels.length > 0) {
    return good("kernel", `${directory}: ${kernels.map(({ version }) => version).join(", ")}`);
  }
  return bad("kernel", `no guest kernel in ${directory}`, "mount or copy E2B's kernels there");
}

function modelIn(cpuinfo: string | undefined): string | undefined {
  return /^model\s*: (.*)$/m.exec(cpuinfo ?? "")?.[1];
}

function aboutHostProc(
  { at, expected, plan }: E2bOptions,
  record: HostProcRecord | undefined,
  firecrackers: string,
): E2bFinding {
  const pool = record?.pool === undefined ? "" : ` --pool ${record.pool}`;
  const where = `--at ${quoted(at)} --firecracker-dir ${quoted(firecrackers)}`;
  const mend = `evenkeel host-proc --plan ${quoted(plan)} ${where}${pool}`;
  if (record === undefined) return bad("host-proc", `there is no ${at}`, mend);
  const model = modelIn(readTextFile(join(at, "cpuinfo")));
  if (model === undefined) return bad("host-proc", `${at}/cpuinfo has no model`, mend);
  const wanted = expected?.model ?? record.model;
  if (model !== wanted) return bad("host-proc", `${at} has model ${model}, not ${wanted}`, mend);
  return good("host-proc", `${at}: model ${model}`);
}

/** The model that a process would find if it started now: in its own root, by its own variable. */
function modelSeenBy({ pid, env }: Orchestrator, proc: string): string | undefined {
  const directory = env.get("HOST_PROC") || "/proc";
  return modelIn(readTextFile(join(proc, String(pid), "root", directory, "cpuinfo")));
}

const VARIABLES: Readonly<Record<string, string>> = {
  orchestrator: "orchestrator_env_vars",
  "template-manager": "template_manager_env_vars",
};

async function aboutProcess(
  process: Orchestrator,
  model: string | undefined,
  { at, proc }: E2bOptions,
): Promise<E2bFinding> {
  const { pid, name, env } = process;
  const who = `${name} (pid ${pid})`;
  const seen = modelSeenBy(process, proc);
  if (model === undefined || seen !== model) {
    const variable = env.get("HOST_PROC");
    const told = variable === undefined ? "has no HOST_PROC" : `has HOST_PROC=${variable}`;
    const mend = `set HOST_PROC = "${at}" in Terraform's ${VARIABLES[name] ?? "env"}, and deploy`;
    return bad("orchestrator", `${who} ${told}, where the model is ${seen ?? "not given"}`, mend);
  }
  const port = Number(env.get("GRPC_PORT") || GRPC_PORT);
  let reported: ReportedCpu;
  try {
    reported = await askServiceInfo(port);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const text = `${who} does not say which CPU it reports: port ${port}: ${reason}`;
    return bad("orchestrator", text, "check the orchestrator's log");
  }
  if (reported.model === model) {
    return good("orchestrator", `${who} reports family ${reported.family}, model ${model}`);
  }
  const text = `${who} reports model ${reported.model}, and would report ${model}`;
  return bad(
    "orchestrator",
    text,
    "drain the node, then restart the job: it reads the CPU only when it starts",
  );
}

/**
 * The directory that the orchestrators running here name, the first one's first; else `fallback`.
 */
function directoriesOf(
  processes: readonly Orchestrator[],
  variable: string,
  fallback: string,
): string[] {
  const named = processes.map(({ env }) => env.get(variable) || fallback);
  return [...new Set(named.length === 0 ? [fallback] : named)];
}

/** Throws E2B_UNREADABLE, HOST_PROC_OCCUPIED, and what a launcher's Firecracker throws. */
export async function checkE2b(options: E2bOptions): Promise<readonly E2bFinding[]> {
  const { proc, at, plan, expected } = options;
  const processes = findOrchestrators(proc);
  const record = readHostProc(at);
  const template = expected?.template ?? record?.template;
  const model = expected?.model ?? record?.model;
  const firecrackers =
    options.firecrackers === undefined
      ? directoriesOf(processes, "FIRECRACKER_VERSIONS_DIR", FIRECRACKER_DIRECTORY)
      : [options.firecrackers];
  const kernels =
    options.kernels === undefined
      ? directoriesOf(processes, "HOST_KERNELS_DIR", KERNELS_DIRECTORY)
      : [options.kernels];
  const running = await Promise.all(processes.map((one) => aboutProcess(one, model, options)));
  if (running.length === 0) {
    const mend = `start it with HOST_PROC=${at}`;
    running.push(bad("orchestrator", "no orchestrator is running on this node", mend));
  }
  return [
    ...firecrackers.flatMap((directory) => aboutFirecrackers(directory, template, plan)),
    ...kernels.map(aboutKernels),
    aboutHostProc(options, record, firecrackers[0] ?? FIRECRACKER_DIRECTORY),
    ...running,
  ];
}
