/**
 * `npm run fleet`: a server, three unlike nodes on doubles of Firecracker, and a filled fleet. Nothing is left of it
 * after ^C.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  build,
  openCrew,
  planPool,
  ROOT,
  startAgent,
  startServer,
  until,
  type Crew,
  type Json,
} from "./fleet-processes.ts";

const POOL = "mixed";
/** Skylake, Ice Lake, Sapphire Rapids. */
const NODES = ["xeon-gold-6130", "xeon-gold-6330-a", "xeon-gold-6430"];

const started = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(3);
  process.stdout.write(`${seconds} s  ${text}\n`);
}

async function fill(crew: Crew, directory: string, contexts: string): Promise<Json> {
  say("starting the server (evenkeel serve, PGlite)");
  const server = await startServer(crew, join(directory, "server"), contexts);
  say("starting three nodes: Skylake, Ice Lake, Sapphire Rapids");
  const agents = await Promise.all(
    NODES.map(async (name) => {
      const profile = join(ROOT, "examples/intel-pool", `${name}.json`);
      return await startAgent(crew, server, {
        directory: join(directory, name),
        profile,
        pool: POOL,
      });
    }),
  );
  const [, iceLake, sapphire] = agents;
  if (iceLake === undefined || sapphire === undefined) throw new Error("three nodes");
  say("building the template `unplanned`, on Ice Lake, with the host's own CPU");
  await build(server, iceLake, "unplanned");
  say("planning the pool, and building the template `base` with its guest CPU");
  await planPool(server, POOL);
  await build(server, sapphire, "base");
  say("starting four sandboxes");
  for (const from of ["base", "base", "base", "unplanned"]) {
    await server.call("POST", "/v1/sandboxes", { from, onTimeout: "pause" });
  }
  const { sandboxes } = await server.call("GET", "/v1/sandboxes");
  return await until("they run", async () =>
    sandboxes.every(({ state }: Json) => state === "running") ? sandboxes : undefined,
  );
}

function invitation(contexts: string, id: string): string {
  const e = "node packages/cli/bin/evenkeel.js fleet";
  return `
The fleet is up. In another terminal, in this directory:

  export EVENKEEL_FLEET_CONFIG=${contexts}
  alias ef='${e}'

  ef get nodes                     three unlike CPUs, one plan
  ef get snapshots                 \`base\` resumes on 3 nodes, \`unplanned\` on 1
  ef place unplanned               why not elsewhere, and the ways out
  ef sandboxes                     what runs where
  ef sandboxes create unplanned --node xeon-gold-6130
                                   refused: by which features
  ef sandboxes create unplanned --node xeon-gold-6130 --override incompatible --reason test
                                   and what becomes of it:
  cat ${join(dirname(contexts), "xeon-gold-6130/d/vms/*/console.log")}
  ef sandboxes pause ${id}
  ef sandboxes resume ${id} --node xeon-gold-6130
  ef simulate --remove xeon-gold-6330-a --pool ${POOL}
  ef drain xeon-gold-6430 --dry-run
  ef labels -o kubernetes

^C ends it all and leaves nothing behind.
`;
}

const directory = mkdtempSync(join(tmpdir(), "ek-"));
const contexts = join(directory, "contexts.json");
const crew = openCrew();
let stopping: Promise<void> | undefined;
async function stop(): Promise<void> {
  await crew.stop();
  rmSync(directory, { recursive: true, force: true });
}
const over = new Promise<void>((settle) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      process.stdout.write("\nending it\n");
      stopping ??= stop();
      void stopping.finally(settle);
    });
  }
});
try {
  const [first] = await fill(crew, directory, contexts);
  say("ready");
  process.stdout.write(invitation(contexts, first.id));
  await over;
} catch (error) {
  if (stopping === undefined) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 3;
  }
  stopping ??= stop();
}
await stopping;
process.exit();
