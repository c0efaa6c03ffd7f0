/** `evenkeel serve`: the fleet service. */
import { openLogger } from "@evenkeel/agent";
import {
  createServer,
  exportTo,
  importFrom,
  loadServerConfig,
  ServerError,
} from "@evenkeel/server";

export interface ServeFlags {
  readonly config?: string;
  readonly export?: string;
  readonly import?: string;
}

/** Settles when the process is told to stop. */
function told(): Promise<NodeJS.Signals> {
  return new Promise((settle) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, settle);
  });
}

function say(line: string): void {
  process.stderr.write(`evenkeel serve: ${line}\n`);
}

/** Whether that was all there was to do. */
async function copied(
  where: { readonly directory: string; readonly databaseUrl: string | undefined },
  { to, from }: { readonly to: string | undefined; readonly from: string | undefined },
): Promise<boolean> {
  if (to !== undefined && from !== undefined) {
    throw new ServerError("BAD_CONFIG", "--export and --import: one at a time");
  }
  if (to !== undefined) {
    await exportTo(where, to);
    say(`the store is in ${to}, with the CA's key: keep it secret`);
  }
  if (from !== undefined) say(`${await importFrom(where, from)} rows were imported`);
  return to !== undefined || from !== undefined;
}

export async function runServe(given: ServeFlags): Promise<number> {
  const { config: file, export: to, import: from, ...flags } = given;
  const config = loadServerConfig({ file, env: process.env, flags });
  const { dataDir: directory, databaseUrl, names, listen, logLevel } = config;
  if (await copied({ directory, databaseUrl }, { to, from })) return 0;
  const { e2bDomain: domain, e2bListen } = config;
  const stopped = told();
  const server = await createServer({
    directory,
    databaseUrl,
    names,
    e2b: domain === undefined ? undefined : { domain, listen: e2bListen },
    logger: openLogger(logLevel),
  });
  try {
    if (server.firstToken !== undefined) {
      say(`the first operator's token is in ${server.firstToken}`);
    }
    say(`the CA's digest is ${server.caDigest}`);
    const where = await server.app.listen(listen).catch((cause: unknown) => {
      const message = `listen: ${(cause as Error).message}`;
      throw new ServerError("BAD_CONFIG", message, { cause });
    });
    if (server.e2bUrl !== undefined) {
      say(`E2B's API for ${domain ?? ""} is on ${server.e2bUrl}`);
    }
    say(`${server.store} listens on ${where}`);
    await stopped;
  } finally {
    await server.close();
  }
  return 0;
}
