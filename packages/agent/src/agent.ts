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
  /** The default release: boots machines that name none. */
  readonly driver: VmmDriver;
  /**
   * Further Firecracker releases: they boot machines that name them, and load the snapshots they
   * can.
   */
  readonly others?: readonly VmmDriver[];
  /** Its Firecracker releases are replaced by those that the agent drives. */
  readonly profile: NodeProfile;
  /** The data directory; only one agent at a time can use it. */
  readonly directory: string;
  readonly kernelsDir: string;
  readonly imagesDir: string;
  /** What shapes the guest CPU by default; nothing if left out. */
  readonly cpu?: CpuShape;
  /** The fleet that this node is a member of, whose plan then shapes cold boots. */
  readonly fleet?: FleetOptions;
  /**
   * The Firecracker release whose rules contracts and verdicts follow: the driver's own, if it
   * drives Firecracker.
   */
  readonly firecracker?: string;
  /**
   * Tokens required of callers, by role; none only if a Unix socket's permissions protect the
   * agent.
   */
  readonly tokens?: Tokens;
  /** Kernel and microcode as text; the profile is valid only while this does not change. */
  readonly machine?: () => string;
  /** Compares the profile with the machine again; returns the changes that verdicts depend on. */
  readonly recheck?: () => Promise<readonly string[]>;
  /** PEM of the Ed25519 key that signs what this node takes. */
  readonly signingKey?: string;
  /** PEMs of the keys whose snapshots may be used here; if left out, anyone's. */
  readonly trustedKeys?: string;
  readonly explainCrash?: ExplainCrash;
  /**
   * Opens VMM isolation and guest networks, once the agent owns the data directory; if left out,
   * VMMs run with the agent's privileges.
   */
  readonly openCells?: () => Promise<CellPool>;
  readonly logger?: FastifyBaseLogger;
  /** When stalled connections are closed. */
  readonly stalls?: Partial<StallOptions>;
}

export interface Agent {
  /** Not listening yet: call `listen`, or `inject` requests. */
  readonly app: App;
  /** Stops answering and releases the data directory; microVMs keep running. */
  close(): Promise<void>;
}

/** 95%: the node itself needs the rest. */
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

/** How many events are kept for readers that reconnect. */
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

/** Throws BAD_CONFIG if both would shape cold boots, JOIN_FAILED. */
async function openMember(context: Context, fleet: FleetOptions | undefined, shapes: CurrentShape) {
  if (fleet === undefined) return undefined;
  if (context.cpu.choice.kind !== "none") {
    const message =
      "server: the fleet's plan decides the guest CPU on this node: remove plan and CPU template";
    throw new AgentError("BAD_CONFIG", message);
  }
  // Loaded on demand: the certificate library would only cost memory on a node without a fleet.
  const { openFleet } = await import("./fleet/member.ts");
  const member = await openFleet(context, fleet, shapes);
  context.report("the fleet", `this is ${member.node} of ${fleet.server}`);
  return member;
}

/**
 * How long operations in progress may take to finish; after that, the next agent finds them as
 * after a kill.
 */
const CLOSING_MS = 10_000;

/** How long a call to the fleet server may take to notice that the agent is stopping. */
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
