/** `evenkeel agent`: the daemon of one node. */
import {
  AgentError,
  createAgent,
  listen,
  loadConfig,
  openLogger,
  parseAddress,
  type AgentConfig,
  type ExplainCrash,
} from "@evenkeel/agent";
import { CoreError, newestVersion, prettyJson, type NodeProfile } from "@evenkeel/core";
import {
  createFirecrackerDriver,
  findFirecrackers,
  HostError,
  requireFirecracker,
  readTextFile,
  resolveTemplate,
  templateRequest,
  type ResolvedTemplate,
  type VmmDriver,
} from "@evenkeel/host";
import { ownProfile } from "../input/own-profile.ts";
import { readInput } from "../input/read.ts";

/** 128 bits as hexadecimal digits. */
const SHORTEST_TOKEN = 32;

export interface AgentFlags {
  readonly config?: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

function versionOf({ firecracker, versionsDir }: AgentConfig): string {
  const installed = findFirecrackers({ FIRECRACKER_VERSIONS_DIR: versionsDir });
  const version = firecracker ?? newestVersion(installed.map((found) => found.version));
  if (version !== undefined) return version;
  throw new AgentError("BAD_CONFIG", `${versionsDir}: there is no Firecracker that is known here`);
}

function bare(version: string): string {
  return version.replace(/^v/, "");
}

/**
 * Every release that is installed, the usual one first. What is no release that is known here, or
 * another than its directory says, is left out with a warning, unless it is the usual one.
 */
function driversOf(config: AgentConfig): readonly [VmmDriver, ...VmmDriver[]] {
  const env = { FIRECRACKER_VERSIONS_DIR: config.versionsDir };
  const drive = (version: string) =>
    createFirecrackerDriver({ binary: requireFirecracker(env, version), version });
  const usual = drive(versionOf(config));
  const others = findFirecrackers(env).flatMap(({ version }) => {
    if (bare(version) === bare(usual.version)) return [];
    try {
      return [drive(version)];
    } catch (error) {
      if (!(error instanceof HostError || error instanceof CoreError)) throw error;
      process.stderr.write(
        `evenkeel agent: Firecracker ${version} is left out: ${error.message}\n`,
      );
      return [];
    }
  });
  return [usual, ...others];
}

/** Loads and lints the template that guests boot with; throws what makes it unfit for this node. */
function cpuOf(config: AgentConfig, profile: NodeProfile): ResolvedTemplate {
  const request = templateRequest({
    FC_CPU_TEMPLATE: config.cpuTemplate,
    FC_CUSTOM_CPU_TEMPLATE_PATH: config.customCpuTemplate,
    EVENKEEL_PLAN: config.plan,
  });
  const installed = findFirecrackers({ FIRECRACKER_VERSIONS_DIR: config.versionsDir });
  return resolveTemplate(request, {
    profile,
    versions: installed.map(({ version }) => version),
    allowInsecure: config.allowInsecure,
    read: readTextFile,
  });
}

function warn({ name = "", findings, unknownVersions }: ResolvedTemplate): void {
  for (const { severity, message, fix } of findings) {
    process.stderr.write(`evenkeel agent: ${name}: ${severity}: ${message} ${fix}\n`);
  }
  for (const version of unknownVersions) {
    process.stderr.write(`evenkeel agent: nothing is known about Firecracker ${version}\n`);
  }
}

/** Readable by its owner alone, or whoever may read it may call the agent. */
function tokenOf({ tokenFile, listen: address }: AgentConfig): string | undefined {
  if (tokenFile === undefined) {
    if (parseAddress(address).kind === "unix") return undefined;
    const message = `listen: ${address} is TCP, which needs a token (EVENKEEL_TOKEN_FILE)`;
    throw new AgentError("BAD_CONFIG", message);
  }
  const token = readInput(tokenFile).toString("utf8").trim();
  if (token.length >= SHORTEST_TOKEN) return token;
  const message = `${tokenFile}: a token has ${SHORTEST_TOKEN} characters at least`;
  throw new AgentError("BAD_CONFIG", message);
}

/** Settles when the process is told to stop. */
function told(): Promise<NodeJS.Signals> {
  return new Promise((settle) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, settle);
  });
}

/** The cause of a guest's crash, for the agent's events. */
function explainerFor(profile: NodeProfile): ExplainCrash {
  return async ({ line }, contract) => {
    const { explainCrash, summarizeCrash } = await import("@evenkeel/isa");
    const context = { nodes: [profile], diedOn: profile.name };
    const { crashes } = explainCrash(line, {
      ...context,
      ...(contract === undefined ? {} : { contract }),
    });
    const [first] = crashes;
    if (first === undefined) return undefined;
    const { cause, instruction, evidence, suspects, happened } = first;
    return { summary: summarizeCrash(first), cause, instruction, evidence, suspects, happened };
  };
}

export async function runAgent(flags: AgentFlags): Promise<number> {
  const { config: file, check, json, ...given } = flags;
  const config = loadConfig({ file, env: process.env, flags: given });
  const address = parseAddress(config.listen);
  const token = tokenOf(config);
  const profile = await ownProfile(config);
  const [driver, ...others] = driversOf(config);
  const cpu = cpuOf(config, profile);
  warn(cpu);
  if (check === true) {
    const shape = cpu.name ?? "none";
    const releases = [driver, ...others].map(({ version }) => version);
    const firecracker = driver.version;
    const said = { ...config, node: profile.name, firecracker, releases, cpu: shape };
    process.stdout.write(json === true ? prettyJson(said) : configText(said));
    return 0;
  }
  const { dataDir: directory, logLevel, kernelsDir, imagesDir } = config;
  const agent = await createAgent({
    driver,
    others,
    profile,
    directory,
    kernelsDir,
    imagesDir,
    cpu,
    explainCrash: explainerFor(profile),
    allowInsecure: config.allowInsecure,
    allowUnknown: config.allowUnknown,
    maxSandboxes: config.maxSandboxes,
    defaultTimeoutSeconds: config.defaultTimeoutSeconds,
    keepFailedSeconds: config.keepFailedSeconds,
    ...(token === undefined ? {} : { token }),
    logger: openLogger(logLevel),
  });
  const stopped = told();
  try {
    const where = await listen(agent, address);
    process.stderr.write(`evenkeel agent: ${profile.name} listens at ${where}\n`);
    await stopped;
  } finally {
    await agent.close();
  }
  return 0;
}

function configText(values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values).filter(([, value]) => value !== undefined);
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${String(value)}\n`).join("");
}
