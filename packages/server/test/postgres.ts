/** A PostgreSQL of the test's own: Debian's, in a temporary directory, reached by a Unix socket. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Store } from "../src/store/store.ts";

const ROOT = "/usr/lib/postgresql";

function binaries(): string | undefined {
  if (!existsSync(ROOT)) return undefined;
  return readdirSync(ROOT)
    .map((version) => join(ROOT, version, "bin"))
    .find((bin) => existsSync(join(bin, "postgres")));
}

const BIN = binaries();
if (BIN === undefined) {
  if (process.env["CI"] === "true") throw new Error("PostgreSQL is not installed");
  process.stdout.write("skipped on PostgreSQL: it is not installed (apt install postgresql)\n");
}

/** What tests of a store run on. */
export const STORES: readonly Store["kind"][] =
  BIN === undefined ? ["pglite"] : ["pglite", "postgresql"];

/** It refuses to run as root. */
function asUser(): { readonly prefix: readonly string[]; readonly own: (path: string) => void } {
  if (process.getuid?.() !== 0) return { prefix: [], own: () => {} };
  const ids = ["-u", "-g"].map((flag) =>
    Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout),
  );
  const [uid = 0, gid = 0] = ids;
  return {
    prefix: ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"],
    own: (path) => chownSync(path, uid, gid),
  };
}

/** A connection of the test's own, to be ended by it. */
export async function connectTo(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  return client;
}

export interface TestPostgres {
  /** A database that is empty. */
  database(): Promise<string>;
  /** As a crash: nothing is written any more. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = new Promise((settle) => child.once("exit", settle));
  child.kill(signal);
  await end;
}

export async function openPostgres(): Promise<TestPostgres> {
  if (BIN === undefined) throw new Error("PostgreSQL is not installed");
  const directory = mkdtempSync(join(tmpdir(), "ek-pg-"));
  const { prefix, own } = asUser();
  own(directory);
  const data = join(directory, "data");
  const run = (program: string, args: readonly string[]) => [
    ...prefix,
    join(BIN, program),
    ...args,
  ];
  const [command = "", ...args] = run("initdb", ["-D", data, "-U", "ek", "-A", "trust", "-N"]);
  const made = spawnSync(command, args, { encoding: "utf8", cwd: directory });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const url = (name: string) => `postgres://ek@localhost/${name}?host=${directory}`;
  let child: ChildProcess | undefined;

  const answers = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: url("postgres") });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  };
  const start = async () => {
    const options = ["-D", data, "-k", directory, "-c", "listen_addresses="];
    const [program = "", ...rest] = run("postgres", options);
    child = spawn(program, rest, { stdio: "ignore", cwd: directory });
    for (let tries = 0; !(await answers()); tries++) {
      if (tries > 300) throw new Error("PostgreSQL does not start");
      await sleep(100);
    }
  };
  await start();
  let count = 0;
  return {
    start,
    database: async () => {
      const name = `t${count++}`;
      const client = new pg.Client({ connectionString: url("postgres") });
      await client.connect();
      await client.query(`create database ${name}`);
      await client.end();
      return url(name);
    },
    kill: async () => {
      if (child !== undefined) await ended(child, "SIGQUIT");
    },
    stop: async () => {
      if (child !== undefined) await ended(child, "SIGINT");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
