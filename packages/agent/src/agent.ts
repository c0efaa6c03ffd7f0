/** The agent of one node, built around a VMM driver, a node profile and a data directory. */
import { totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeProfile } from "@evenkeel/core";
import { machineNow, type CellPool, type VmmDriver } from "@evenkeel/host";
import type { FastifyBaseLogger } from "fastify";
import type { Context, Settings } from "./sandboxes/context.ts";
import { AGENT_OPTIONS } from "./config/options.ts";
import { agingProfile } from "./cpu/age.ts";
import { openGate } from "./cpu/gate.ts";
import { currentShape, shapeForBoot, type CurrentShape } from "./cpu/current.ts";
import { NO_SHAPE, type CpuShape } from "./cpu/shape.ts";
import { AgentError, messageOf } from "./errors.ts";
import { openEventLog } from "./events/log.ts";
import type { FleetOptions } from "./fleet/member.ts";
import type { Tokens } from "./http/auth.ts";
import type { App } from "./http/app.ts";
import { makeServer } from "./http/server.ts";
import type { StallOptions } from "./http/stalls.ts";
import { openMetrics } from "./metrics.ts";
import { openReleases } from "./releases.ts";
import type { ExplainCrash } from "./sandboxes/console.ts";
import { settle } from "./sandboxes/lifecycle.ts";
import { recover } from "./sandboxes/recover.ts";
import { openOutputs } from "./sandboxes/output.ts";
import { openRegistry } from "./sandboxes/registry.ts";
import { watch } from "./sandboxes/watch.ts";
import { lock } from "./store/lock.ts";
import { openPaths } from "./store/paths.ts";
import { openRoom } from "./store/room.ts";
import { keepScrubbing } from "./store/scrub.ts";
import { openSignatures } from "./store/signatures.ts";
import { openSnapshots } from "./store/snapshots.ts";

export interface AgentOptions extends Partial<Settings> {
  /** Boots what names no release. */
  readonly driver: VmmDriver;
  /** Further Firecracker releases: they boot what names them, and load what they can load. */
  readonly others?: readonly VmmDriver[];
  /** What it says of Firecracker releases is replaced by those that are driven. */
  readonly profile: NodeProfile;
  /** The data directory; one agent at a time has it. */
  readonly directory: string;
  readonly kernelsDir: string;
  readonly imagesDir: string;
  /** What shapes the guest CPU where a request does not say; nothing by default. */
  readonly cpu?: CpuShape;
  /** The fleet that this node is a member of, whose plan then shapes cold boots. */
  readonly fleet?: FleetOptions;
  /**
   * The Firecracker release whose rules contracts and verdicts go by: the driver's own, where it
   * drives Firecracker.
   */
  readonly firecracker?: string;
  /** Required of callers, by role; none only where a Unix socket's permissions guard the agent. */
  readonly tokens?: Tokens;
  /** Kernel and microcode as a text, which is not to change while the profile holds. */
  readonly machine?: () => string;
  /** Holds the profile against the machine again, and says what changed that verdicts go by. */
  readonly recheck?: () => Promise<readonly string[]>;
  /** PEM of the Ed25519 key that signs what this node takes. */
  readonly signingKey?: string;
  /** PEMs of the keys whose snapshots may be used here; whoever's where left out. */
  readonly trustedKeys?: string;
  readonly explainCrash?: ExplainCrash;
  /**
   * Opens what confines VMMs and gives guests networks, once the data directory is this agent's; left
   * out, VMMs run as the agent does.
   */
  readonly openCells?: () => Promise<CellPool>;
  readonly logger?: FastifyBaseLogger;
  /** When connections on which nothing moves are ended. */
  readonly stalls?: Partial<StallOptions>;
}

export interface Agent {
  /** Listens nowhere yet: `listen` it, or `inject` requests. */
  readonly app: App;
  /** Stops answering and lets go of the data directory; microVMs run on. */
  close(): Promise<void>;
}

/** All but a twentieth, which the node itself needs. */
function nodeMemoryMib(): number {
  return Math.floor((totalmem() * 0.95) / 1024 / 1024);
}

/** The options' own. */
const DEFAULTS = {
  allowUnknown: AGENT_OPTIONS.allowUnknown.default,
  allowInsecure: AGENT_OPTIONS.allowInsecure.default,
  verifyOnResume: AGENT_OPTIONS.verifyOnResume.default,
  scrubHours: AGENT_OPTIONS.scrubHours.default,
  maxSandboxes: AGENT_OPTIONS.maxSandboxes.default,
  maxMemoryMib: nodeMemoryMib(),
  defaultTimeoutSeconds: AGENT_OPTIONS.defaultTimeoutSeconds.default,
  keepFailedSeconds: AGENT_OPTIONS.keepFailedSeconds.default,
} as const;

/** How many events are kept for readers that come back. */
const EVENTS_KEPT = 4096;

function firecrackerOf({ firecracker, driver }: AgentOptions): string {
  if (firecracker !== undefined) return firecracker;
  if (driver.vmm === "firecracker") return driver.version;
  const message =
    "name the Firecracker release that contracts are for: this driver runs a different VMM";
  throw new AgentError("BAD_CONFIG", message);
}

async function makeContext(
  options: AgentOptions,
  shapes: CurrentShape,
  stopping: AbortSignal,
): Promise<Context> {
  const { driver, others, directory, explainCrash, openCells, logger } = options;
  const releases = openReleases({ version: firecrackerOf(options), driver }, others);
  const profile = { ...options.profile, firecracker: releases.versions };
  const report: Context["report"] = (what, why) => {
    logger?.warn({ what, why }, `${what}: ${why}`);
  };
  const settings: Settings = { ...DEFAULTS, ...options };
  const paths = openPaths(directory, driver.vmm);
  const signatures = openSignatures({ signing: options.signingKey, trusted: options.trustedKeys });
  const metrics = openMetrics();
  const events = openEventLog(EVENTS_KEPT, (event) => {
    metrics.events.add({ type: event.type });
    logger?.info({ event }, `${event.type} ${event.subject}`.trim());
  });
  const { allowUnknown } = settings;
  const { machine = () => machineNow(), recheck } = options;
  const profileNow = agingProfile({ profile, machine, recheck, events, report });
  const context: Context = {
    driver,
    releases,
    get profile() {
      return profileNow();
    },
    get cpu() {
      return shapes.now();
    },
    shapeForBoot: () => shapeForBoot(shapes),
    coldBoots: () => shapes.state(),
    settings,
    paths,
    builds: new Map(),
    events,
    metrics,
    stopping,
    outputs: openOutputs((what, why) => report(what, messageOf(why))),
    explainCrash,
    cells: await openCells?.(),
    report,
    snapshots: await openSnapshots(paths.snapshots, signatures, (name, why) => {
      report(`snapshot ${name} is left alone`, why);
    }),
    room: openRoom(paths.data),
    sandboxes: openRegistry(paths, (id) => settle(context, id)),
    gate: openGate({
      profileNow,
      releases,
      allowUnknown,
      cpuNow: () => shapes.now(),
      events,
      metrics,
    }),
  };
  return context;
}

/** Throws BAD_CONFIG where two would shape cold boots, JOIN_FAILED. */
async function openMember(context: Context, fleet: FleetOptions | undefined, shapes: CurrentShape) {
  if (fleet === undefined) return undefined;
  if (context.cpu.choice.kind !== "none") {
    const message =
      "server: the fleet's plan decides the guest CPU on this node: remove plan and CPU template";
    throw new AgentError("BAD_CONFIG", message);
  }
  // Certificates are read by a library that a node without a fleet need not hold in memory.
  const { openFleet } = await import("./fleet/member.ts");
  const member = await openFleet(context, fleet, shapes);
  context.report("the fleet", `this is ${member.node} of ${fleet.server}`);
  return member;
}

/** How long what is under way may take to end; after that, the next agent finds it as after a kill. */
const CLOSING_MS = 10_000;

/** How long a call to the fleet's server may take to notice that the agent stops. */
const LEAVING_MS = 2000;

async function closeWithin(app: App, milliseconds: number): Promise<void> {
  const closed = app.close();
  const late = new AbortController();
  const timer = sleep(milliseconds, "late", { signal: late.signal }).catch(() => undefined);
  if ((await Promise.race([closed, timer])) === "late") {
    app.server.closeAllConnections();
    closed.then(undefined, () => undefined);
    return;
  }
  late.abort();
}

/** Throws BAD_CONFIG, DATA_IN_USE. Finds everything again that an earlier agent left running. */
export async function createAgent(options: AgentOptions): Promise<Agent> {
  const paths = openPaths(options.directory, options.driver.vmm);
  const unlock = await lock(paths.data, paths.lock);
  try {
    const stopping = new AbortController();
    const { cpu = NO_SHAPE, fleet } = options;
    const shapes = currentShape(cpu);
    const context = await makeContext(options, shapes, stopping.signal);
    await recover(context);
    const { tokens = {}, logger, stalls = {} } = options;
    const app = await makeServer(context, { tokens, logger, stalls });
    const stop = watch(context);
    const member = await openMember(context, fleet, shapes);
    const everyMs = context.settings.scrubHours * 3_600_000;
    void keepScrubbing({ ...context, everyMs });
    context.events.emit("agent.started", "", { node: options.profile.name });
    return {
      app,
      close: async () => {
        context.events.emit("agent.stopping", "");
        stopping.abort();
        await Promise.race([member?.done, sleep(LEAVING_MS, undefined, { ref: false })]);
        stop();
        context.outputs.close();
        await closeWithin(app, CLOSING_MS);
        context.sandboxes.close();
        await context.cells?.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}
