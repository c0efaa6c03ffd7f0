/** The fleet service of one process, around a data directory and a store. */
import { hostname } from "node:os";
import { join } from "node:path";
import type { FastifyBaseLogger } from "fastify";
import type { Context, Times } from "./context.ts";
import { keepDuties } from "./duties/duties.ts";
import { judgeAgain, openIndexCache } from "./contracts/index-writes.ts";
import { openE2b, type E2bOptions } from "./e2b/listener.ts";
import { messageOf } from "./errors.ts";
import { makeServer, tlsOptions, type App } from "./http/server.ts";
import { openPicture } from "./placement/picture.ts";
import { openStore, takeDirectory } from "./store/open.ts";
import type { Store } from "./store/store.ts";
import { openAuthority, type Authority } from "./tls/authority.ts";
import { makeFirstToken } from "./tokens.ts";

export interface ServerOptions {
  /** The data directory; one server at a time has it. */
  readonly directory: string;
  /** `postgres://…`; PGlite in the data directory where left out. */
  readonly databaseUrl?: string | undefined;
  /** DNS names and addresses that the server's certificate is for, besides this machine's own. */
  readonly names?: readonly string[];
  readonly times?: Partial<Times>;
  /** E2B's API and data plane, on a port of their own. */
  readonly e2b?: Pick<E2bOptions, "domain" | "listen"> | undefined;
  readonly logger?: FastifyBaseLogger;
}

export interface Server {
  /** Listens nowhere yet. */
  readonly app: App;
  /** Where E2B's API listens already. */
  readonly e2bUrl: string | undefined;
  readonly store: Store["kind"];
  /** SHA-256 of the CA's certificate, by which operators know it. */
  readonly caDigest: string;
  /** Where the first operator's token is, if this server has just made it. */
  readonly firstToken: string | undefined;
  close(): Promise<void>;
}

const TIMES: Times = { heartbeatSeconds: 5, suspectSeconds: 15, lostSeconds: 30 };
/** The server's certificate is for 30 days. */
const RENEW_MS = 24 * 3_600_000;

function namesOf(given: readonly string[] = []): string[] {
  return [...new Set([...given, hostname(), "localhost", "127.0.0.1", "::1"])];
}

/** Puts a new certificate before the old one ends; connections that are there keep theirs. */
function keepCertificate(app: App, { authority, report }: Context, names: readonly string[]) {
  const renew = async () => {
    const { key, certificate } = await authority.issueForServer(names);
    app.server.setSecureContext(tlsOptions({ key, certificate }, authority.certificate));
  };
  const timer = setInterval(() => {
    renew().catch((error: unknown) => report("the server's certificate", messageOf(error)));
  }, RENEW_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function open(store: Store, options: ServerOptions, report: Context["report"]) {
  const authority: Authority = await openAuthority(store.db);
  const index = openIndexCache();
  await judgeAgain(store.db, index);
  const times = { ...TIMES, ...options.times };
  const picture = openPicture(store, times, report);
  const context: Context = { store, authority, times, picture, index, report };
  const file = join(options.directory, "operator.token");
  const made = await makeFirstToken(context, file);
  const names = namesOf(options.names);
  const tls = await authority.issueForServer(names);
  const { logger } = options;
  const { app, desk, tunnels } = await makeServer(context, { tls, logger });
  const e2b =
    options.e2b && (await openE2b(context, desk, tunnels, { names, logger, ...options.e2b }));
  const stop = keepCertificate(app, context, names);
  const duties = keepDuties(context);
  const close = async () => {
    stop();
    await duties();
    await e2b?.close();
    await app.close();
    await picture.close();
  };
  const firstToken = made ? file : undefined;
  return { app, e2bUrl: e2b?.url, caDigest: authority.digest, firstToken, close };
}

/** Throws BAD_CONFIG, DATA_IN_USE, STORE_DOWN, STORE_TOO_NEW, STORE_CHANGED. */
export async function createServer(options: ServerOptions): Promise<Server> {
  const { directory, databaseUrl, logger } = options;
  const report: Context["report"] = (what, why) => {
    logger?.warn({ what, why }, `${what}: ${why}`);
  };
  const unlock = await takeDirectory(directory);
  let store: Store | undefined;
  try {
    const opened = await openStore({ directory, databaseUrl, report });
    store = opened;
    const { app, e2bUrl, caDigest, firstToken, close } = await open(opened, options, report);
    return {
      app,
      e2bUrl,
      store: opened.kind,
      caDigest,
      firstToken,
      close: async () => {
        await close();
        await opened.close();
        unlock();
      },
    };
  } catch (error) {
    await store?.close();
    unlock();
    throw error;
  }
}
