/** The agent of one node, built around a VMM driver, a node profile and a data directory. */
import type { NodeProfile } from "@evenkeel/core";
import type { VmmDriver } from "@evenkeel/host";
import type { FastifyBaseLogger } from "fastify";
import type { Context, Settings } from "./context.ts";
import { openGate } from "./cpu/gate.ts";
import { NO_SHAPE, type CpuShape } from "./cpu/shape.ts";
import { AgentError } from "./errors.ts";
import { openEventLog } from "./events/log.ts";
import { makeServer, type App } from "./http/server.ts";
import { openMetrics } from "./metrics.ts";
import { openReleases } from "./releases.ts";
import type { ExplainCrash } from "./sandboxes/console.ts";
import { settle } from "./sandboxes/lifecycle.ts";
import { recover } from "./sandboxes/recover.ts";
import { openRegistry } from "./sandboxes/registry.ts";
import { watch } from "./sandboxes/watch.ts";
import { lock } from "./store/lock.ts";
import { openPaths } from "./store/paths.ts";
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
  /**
   * The Firecracker release whose rules contracts and verdicts go by: the driver's own, where it
   * drives Firecracker.
   */
  readonly firecracker?: string;
  /** Required of callers; leave out only where a Unix socket's permissions guard the agent. */
  readonly token?: string;
  readonly explainCrash?: ExplainCrash;
  readonly logger?: FastifyBaseLogger;
}

export interface Agent {
  /** Listens nowhere yet: `listen` it, or `inject` requests. */
  readonly app: App;
  /** Stops answering and lets go of the data directory; microVMs run on. */
  close(): Promise<void>;
}

const DEFAULTS = {
  allowUnknown: false,
  allowInsecure: false,
  maxSandboxes: 1000,
  defaultTimeoutSeconds: 3600,
  keepFailedSeconds: 3600,
} as const;

/** How many events are kept for readers that come back. */
const EVENTS_KEPT = 4096;

function firecrackerOf({ firecracker, driver }: AgentOptions): string {
  if (firecracker !== undefined) return firecracker;
  if (driver.vmm === "firecracker") return driver.version;
  const message = "name the Firecracker release that contracts go by: the driver is another VMM's";
  throw new AgentError("BAD_CONFIG", message);
}

async function makeContext(options: AgentOptions): Promise<Context> {
  const { driver, others, directory, cpu = NO_SHAPE, explainCrash, logger } = options;
  const releases = openReleases({ version: firecrackerOf(options), driver }, others);
  const profile = { ...options.profile, firecracker: releases.versions };
  const report: Context["report"] = (what, why) => {
    logger?.warn({ what, why }, `${what}: ${why}`);
  };
  const settings: Settings = { ...DEFAULTS, ...options };
  const paths = openPaths(directory, driver.vmm);
  const metrics = openMetrics();
  const events = openEventLog(EVENTS_KEPT, (event) => {
    metrics.events.add({ type: event.type });
    logger?.info({ event }, `${event.type} ${event.subject}`.trim());
  });
  const { allowUnknown } = settings;
  const context: Context = {
    driver,
    releases,
    profile,
    cpu,
    settings,
    paths,
    events,
    metrics,
    explainCrash,
    report,
    snapshots: await openSnapshots(paths.snapshots, (name, why) => {
      report(`snapshot ${name} is not whole and is left alone`, why);
    }),
    sandboxes: openRegistry(paths, (id) => settle(context, id)),
    gate: openGate({ profile, releases, allowUnknown, events, metrics }),
  };
  return context;
}

/** Throws BAD_CONFIG, DATA_IN_USE. Finds everything again that an earlier agent left running. */
export async function createAgent(options: AgentOptions): Promise<Agent> {
  const paths = openPaths(options.directory, options.driver.vmm);
  const unlock = lock(paths.lock);
  try {
    const context = await makeContext(options);
    await recover(context);
    const { token, logger } = options;
    const app = await makeServer(context, { token, logger });
    const stop = watch(context);
    context.events.emit("agent.started", "", { node: options.profile.name });
    return {
      app,
      close: async () => {
        context.events.emit("agent.stopping", "");
        stop();
        await app.close();
        context.sandboxes.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}
