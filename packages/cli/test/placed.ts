/**
 * Never placed where it dies: unlike nodes behind a server, a snapshot from each, with and without
 * a plan, and guests that are placed and resumed. What a guest meets is read from its own console.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  build,
  openCrew,
  planPool,
  ROOT,
  startAgent,
  startServer,
  until,
  type FleetAgent,
  type FleetServer,
} from "../../../scripts/fleet-processes.ts";
import { judge, readDocument, readProfile, type NodeProfile } from "@evenkeel/core";
import { FleetError } from "../src/errors.ts";

const POOL = "mixed";
const NODES = ["xeon-gold-6130", "xeon-gold-6330-a", "xeon-gold-6430"];

export interface Placed {
  /** Guests that were placed and resumed, by whether their snapshot is of the plan. */
  readonly placed: { readonly planned: number; readonly unplanned: number };
  /** Asked for on a node that cannot, and refused. */
  readonly refused: number;
  /** Guests that met an instruction that their node lacks. */
  readonly died: readonly string[];
  /** The same, where the verdict was overridden, of those that were tried. */
  readonly overridden: { readonly tried: number; readonly died: number };
}

interface Site {
  readonly directory: string;
  readonly server: FleetServer;
  readonly agents: readonly FleetAgent[];
}

interface Template {
  readonly name: string;
  /** The node that it was built on. */
  readonly built: string;
  readonly digest: string;
  readonly planned: boolean;
}

/** Looked at once the guest has said that it runs: what it meets, it says in the same breath. */
async function hasDied({ directory }: Site, node: string, id: string): Promise<boolean> {
  const file = join(directory, node, "d/vms", id, "console.log");
  const text = () => (existsSync(file) ? readFileSync(file, "utf8") : "");
  await until("the guest runs", async () => (text().includes("login:") ? true : undefined));
  await sleep(50);
  return text().includes("invalid opcode");
}

async function templatesOf(site: Site, planned: boolean): Promise<Template[]> {
  const kind = planned ? "planned" : "plain";
  return await Promise.all(
    site.agents.map(async (agent) => {
      const name = `${kind}-${agent.name}`;
      const { digest } = await build(site.server, agent, name);
      return { name, built: agent.name, digest: String(digest), planned };
    }),
  );
}

/** Resumes a snapshot, on a node if one is named; undefined where that is refused. */
async function resume(
  { server }: Site,
  from: string,
  where: object,
): Promise<{ readonly id: string; readonly node: string } | undefined> {
  try {
    return await server.call("POST", "/v1/sandboxes", { from, ...where });
  } catch (error) {
    if (error instanceof FleetError && error.code === "NO_NODE") return undefined;
    throw error;
  }
}

/** Some at once: each guest is a process. */
async function inParallel<T>(list: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const left = [...list];
  const work = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item);
  };
  await Promise.all([work(), work(), work()]);
}

async function placeAll(
  site: Site,
  templates: readonly Template[],
  count: number,
  say: (text: string) => void,
) {
  const placed = { planned: 0, unplanned: 0 };
  const died: string[] = [];
  let refused = 0;
  const rounds = Array.from({ length: count }, (_, i) => i);
  await inParallel(rounds, async (i) => {
    const template = templates[i % templates.length];
    if (template === undefined) return;
    // Every other one by request on a node, in turn, so that files move and refusals are seen.
    const round = Math.floor(i / templates.length);
    const node = NODES[Math.floor(round / 2) % NODES.length];
    const guest = await resume(site, template.digest, round % 2 === 0 ? {} : { node });
    if (guest === undefined) {
      refused += 1;
      return;
    }
    placed[template.planned ? "planned" : "unplanned"] += 1;
    const all = placed.planned + placed.unplanned;
    if (all % 20 === 0) say(`${all} guests placed, ${refused} refused, ${died.length} died`);
    if (await hasDied(site, guest.node, guest.id)) died.push(`${template.digest} on ${guest.node}`);
    await site.server.call("DELETE", `/v1/sandboxes/${guest.id}`);
  });
  return { placed, died, refused };
}

function profileOfNode(node: string): NodeProfile {
  const text = readFileSync(join(ROOT, "examples/intel-pool", `${node}.json`), "utf8");
  return readProfile(JSON.parse(text), node);
}

/** Nodes where the guest would run against a verdict of `incompatible`. */
async function deadlyFor({ agents }: Site, { name, built }: Template): Promise<string[]> {
  const agent = agents.find((one) => one.name === built);
  const document = readDocument(await agent?.call("GET", `/v1/snapshots/${name}/contract`), name);
  if (document.kind !== "contract") throw new Error(`${name} has no contract`);
  const { contract } = document;
  return NODES.filter((node) => judge(contract, profileOfNode(node)).verdict === "incompatible");
}

/** The filter off: each snapshot without a plan on each node that cannot run it. */
async function overrideAll(site: Site, templates: readonly Template[]) {
  const override = { accept: "incompatible", reason: "to see what the filter is for" };
  const plain = templates.filter(({ planned }) => !planned);
  const pairs = await Promise.all(
    plain.map(async (one) =>
      (await deadlyFor(site, one)).map((node) => ({ digest: one.digest, node })),
    ),
  );
  let [tried, died] = [0, 0];
  await inParallel(pairs.flat(), async ({ digest, node }) => {
    tried += 1;
    const body = { from: digest, node, override };
    try {
      const guest = await site.server.call("POST", "/v1/sandboxes", body);
      if (await hasDied(site, node, guest.id)) died += 1;
      await site.server.call("DELETE", `/v1/sandboxes/${guest.id}`);
    } catch (error) {
      // KVM itself refuses some of them: no guest comes of it.
      if (!(error instanceof FleetError) || error.code !== "NODE_REFUSED") throw error;
      died += 1;
    }
  });
  return { tried, died };
}

/** Everything in a directory that must be empty; `count`: guests to place. */
export async function placeGuests(
  directory: string,
  count: number,
  say: (text: string) => void = () => undefined,
): Promise<Placed> {
  const crew = openCrew();
  try {
    const server = await startServer(crew, join(directory, "server"), join(directory, "contexts"));
    say("the server is up");
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
    const site = { directory, server, agents };
    const plain = await templatesOf(site, false);
    await planPool(server, POOL);
    const templates = [...plain, ...(await templatesOf(site, true))];
    say("six templates are built");
    const overridden = await overrideAll(site, templates);
    say(`with the filter off, ${overridden.died} of ${overridden.tried} died`);
    return { ...(await placeAll(site, templates, count, say)), overridden };
  } finally {
    await crew.stop();
  }
}
