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
  hasJailer,
  checkNode,
  HostError,
  requireFirecracker,
  readTextFile,
  resolveTemplate,
  templateRequest,
  type CheckedIsolation,
  type ResolvedTemplate,
  type VmmDriver,
} from "@evenkeel/host";
import { readSecret } from "../input/secret.ts";
import { changesOf, ownProfile } from "../input/own-profile.ts";
import { readInput } from "../input/read.ts";

/** 128 bits as hexadecimal digits. */
const SHORTEST_TOKEN = 32;
const LINGER_MS = 500;

export interface AgentFlags {
  readonly config?: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

function versionOf({ firecracker, versionsDir }: AgentConfig): string {
  const installed = findFirecrackers({ FIRECRACKER_VERSIONS_DIR: versionsDir });
  const version = firecracker ?? newestVersion(installed.map((found) => found.version));
  if (version !== undefined) return version;
  throw new AgentError("BAD_CONFIG", `${versionsDir}: no known Firecracker release`);
}

function say(line: string): void {
  process.stderr.write(`evenkeel agent: ${line}\n`);
}

function bare(version: string): string {
  return version.replace(/^v/, "");
}

/**
 * Every installed release, the default one first. A binary is left out with a warning if its
 * release is unknown or does not match its directory, or if it lacks a jailer although VMMs are
 * isolated; if it is the default one, this throws.
 */
function driversOf(config: AgentConfig): readonly [VmmDriver, ...VmmDriver[]] {
  const env = { FIRECRACKER_VERSIONS_DIR: config.versionsDir };
  const drive = (version: string) =>
    createFirecrackerDriver({ binary: requireFirecracker(env, version), version });
  const usual = drive(versionOf(config));
  const leaveOut = (version: string, why: string) => {
    say(`Firecracker ${version} is left out: ${why}`);
    return [];
  };
  const others = findFirecrackers(env).flatMap(({ version }) => {
    if (bare(version) === bare(usual.version)) return [];
    try {
      const driver = drive(version);
      if (config.isolation === "none" || hasJailer(driver.binary ?? "")) return [driver];
      return leaveOut(version, "no jailer beside it");
    } catch (error) {
      if (!(error instanceof HostError || error instanceof CoreError)) throw error;
      return leaveOut(version, error.message);
    }
  });
  return [usual, ...others];
}

/** Loads and lints the template that guests boot with; throws if it is unfit for this node. */
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
    process.stderr.write(`evenkeel agent: Firecracker ${version} is not a known release\n`);
  }
}

function tokenIn(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const token = readSecret(path).trim();
  if (token.length >= SHORTEST_TOKEN) return token;
  const message = `${path}: a token must have at least ${SHORTEST_TOKEN} characters`;
  throw new AgentError("BAD_CONFIG", message);
}

function tokensOf({ tokenFile, readTokenFile, overrideTokenFile, listen: address }: AgentConfig) {
  const run = tokenIn(tokenFile);
  const [read, override] = [tokenIn(readTokenFile), tokenIn(overrideTokenFile)];
  if ((run ?? override) === undefined && parseAddress(address).kind === "tcp") {
    const message = `listen: ${address} is a TCP address, which requires a token (EVENKEEL_TOKEN_FILE)`;
    throw new AgentError("BAD_CONFIG", message);
  }
  return { read, run, override };
}

function keysOf({ signingKey, trustedKeys }: AgentConfig) {
  return {
    ...(signingKey === undefined ? {} : { signingKey: readSecret(signingKey) }),
    ...(trustedKeys === undefined ? {} : { trustedKeys: readInput(trustedKeys).toString("utf8") }),
  };
}

const ISOLATION_OFF =
  "isolation: none: VMMs run with the agent's privileges, and guests have no network";

/** Prints at each start what is in effect. Throws NO_ISOLATION, NO_NETWORK, BAD_CONFIG. */
async function isolationOf(
  config: AgentConfig,
  driver: VmmDriver,
): Promise<CheckedIsolation | undefined> {
  const { networkPool: pool, dns, openNetworks, egress } = config;
  if (config.isolation === "none") {
    if (pool !== undefined) {
      throw new AgentError("BAD_CONFIG", "networkPool: guest networks require isolation");
    }
    say(ISOLATION_OFF);
    return undefined;
  }
  const open = openNetworks.split(",").filter((cidr) => cidr !== "");
  const isolation = await checkNode({
    directory: config.dataDir,
    vmm: "firecracker",
    binary: driver.binary ?? "",
    network: pool === undefined ? undefined : { pool, dns, open },
    egress: { default: egress, dns: egress === "allow", rules: [] },
    ioMib: config.ioMib,
    firstId: config.firstUser,
    ahead: config.slotsAhead,
    report: (what, why) => say(`${what}: ${String(why)}`),
  });
  for (const note of isolation.notes) say(note);
  return isolation;
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
  const tokens = tokensOf(config);
  const profile = await ownProfile(config);
  const [driver, ...others] = driversOf(config);
  const cpu = cpuOf(config, profile);
  warn(cpu);
  const isolation = await isolationOf(config, driver);
  if (check === true) {
    const shape = cpu.name ?? "none";
    const releases = [driver, ...others].map(({ version }) => version);
    const firecracker = driver.version;
    const { join: _secret, ...shown } = config;
    const said = { ...shown, node: profile.name, firecracker, releases, cpu: shape };
    process.stdout.write(json === true ? prettyJson(said) : configText(said));
    return 0;
  }
  const { dataDir: directory, logLevel, kernelsDir, imagesDir } = config;
  const agent = await createAgent({
    driver,
    others,
    ...(isolation === undefined ? {} : { openCells: isolation.open }),
    profile,
    directory,
    kernelsDir,
    imagesDir,
    cpu,
    explainCrash: explainerFor(profile),
    allowInsecure: config.allowInsecure,
    allowUnknown: config.allowUnknown,
    maxSandboxes: config.maxSandboxes,
    ...(config.maxMemoryMib === undefined ? {} : { maxMemoryMib: config.maxMemoryMib }),
    verifyOnResume: config.verifyOnResume,
    scrubHours: config.scrubHours,
    ...keysOf(config),
    ...(config.server === undefined ? {} : { fleet: { server: config.server, join: config.join } }),
    defaultTimeoutSeconds: config.defaultTimeoutSeconds,
    keepFailedSeconds: config.keepFailedSeconds,
    tokens,
    ...(config.foreignProfile ? {} : { recheck: () => changesOf(profile) }),
    logger: openLogger(logLevel),
  });
  const stopped = told();
  try {
    const where = await listen(agent, address);
    process.stderr.write(`evenkeel agent: ${profile.name} listens on ${where}\n`);
    await stopped;
  } finally {
    await agent.close();
    // A VMM that does not answer keeps a call open; the next agent will deal with it.
    setTimeout(() => process.exit(), LINGER_MS).unref();
  }
  return 0;
}

function configText(values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values).filter(([, value]) => value !== undefined);
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${String(value)}\n`).join("");
}
