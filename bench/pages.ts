/**
 * The server's pages at the size of a large fleet: 10,000 nodes of 30 classes, 5,000 contracts, 20,000
 * snapshots and sandboxes; for each the server's time, the browser's, and the longest frame while the
 * page is scrolled. CHROMIUM names another browser.
 * `tsx --tsconfig packages/web/tsconfig.json --conditions=@evenkeel/source bench/pages.ts [PATH…]`
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  contractDigest,
  contractToJson,
  predictContract,
  prettyJson,
  profileToJson,
  type NodeProfile,
} from "@evenkeel/core";
import { chromium, type Browser, type Page } from "playwright-core";
import { createServer } from "../packages/server/src/index.ts";
import { connectTo, openPostgres } from "../packages/server/test/postgres.ts";
import { caller, makeKeys } from "../packages/server/test/support.ts";
import { copyNodes, fleetProfiles } from "./fleet.ts";
import { machine, median } from "./measure.ts";

const NODES = 10_000;
const KINDS = 30;
const CONTRACTS = 5000;
const ROUNDS = 3;
const POOL = "all";

type Client = Awaited<ReturnType<typeof connectTo>>;

function row(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(34)} ${figure}\n`);
}

/** No two are alike to a verdict: other sizes, other templates. */
function contractsOf(profiles: readonly NodeProfile[]): Map<string, string> {
  const made = new Map<string, string>();
  for (let i = 0; made.size < CONTRACTS; i++) {
    const profile = profiles[i % profiles.length];
    const step = Math.floor(i / profiles.length);
    if (profile === undefined || step > CONTRACTS) break;
    const boot = { firecracker: "1.14.1", vcpus: 1 + (step % 32), smt: false };
    const result = predictContract(profile, boot);
    if (!result.ok) continue;
    const contract = { ...result.contract, template: `t${Math.floor(step / 32)}` };
    made.set(contractDigest(contract), prettyJson(contractToJson(contract)));
  }
  return made;
}

async function joinKinds(base: string, token: string, profiles: readonly NodeProfile[]) {
  const operator = caller(base, { token });
  for (const profile of profiles) {
    const { body } = await operator("POST", "/v1/join-tokens", { labels: { pool: POOL } });
    const { csr } = await makeKeys();
    const secret = String(body.token).split(".")[1];
    const joining = { secret, csr, profile: profileToJson(profile) };
    const { status, body: answer } = await operator("POST", "/v1/join", joining);
    if (status !== 201) throw new Error(JSON.stringify(answer));
  }
  await operator("POST", "/v1/pools", { name: POOL, selector: { pool: POOL } });
}

/** Nodes as copies of one that joined for each kind, and what they hold, straight into the store. */
async function fill(client: Client, contracts: readonly string[]): Promise<void> {
  await copyNodes(client, { nodes: NODES, kinds: KINDS });
  await client.query(
    `insert into held_snapshots (node, name, digest, kind, contract, memory_mib, bytes, created)
     select n.id, 's-' || s || substr(n.id, 14), encode(sha256((n.id || s)::bytea), 'hex'),
       'sandbox', ($1::text[])[1 + (hashtext(n.id || s) & 1048575) % ${contracts.length}], 512,
       1000, now()
     from nodes n, generate_series(1, 2) s`,
    [contracts],
  );
  await client.query(`
    insert into sandboxes (id, node, state, memory_mib, on_timeout, labels, created_by, created, updated)
    select 'b' || s || substr(n.id, 10), n.id, 'running', 512, 'kill', '{}', 'token:bench', now(), now()
    from nodes n, generate_series(1, 2) s`);
  // Each node changed once since it joined, to what another kind is.
  await client.query(`
    insert into node_history (node, time, profile, drift, reasons)
    select id, now(), profile, null, '[]' from nodes where name like 'copy-%'`);
  await client.query(`
    insert into node_history (node, time, profile, drift, reasons)
    select n.id, now(), p.profile, 'changed', '["host kernel"]'
    from nodes n join (select profile, lead(profile) over (order by profile) as other from
      (select distinct profile from nodes) d) q on q.profile = n.profile
    join (select distinct profile from nodes) p on p.profile = coalesce(q.other, n.profile)
    where n.name like 'copy-%' and p.profile <> n.profile`);
  await client.query("analyze");
}

interface Asked {
  /** Until the whole answer was there. */
  readonly ms: number;
  /** Of this process, which is the server; PostgreSQL's own is not in it. */
  readonly cpuMs: number;
  readonly bytes: number;
}

async function ask(base: string, path: string, token: string): Promise<Asked> {
  const at = performance.now();
  const before = process.cpuUsage();
  return await new Promise((settle, fail) => {
    const headers = { cookie: `__Host-evenkeel=${token}` };
    const options = { headers, rejectUnauthorized: false, agent: false };
    const sent = request(new URL(path, base), options, (response) => {
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        bytes += part.length;
      });
      response.on("end", () => {
        if (response.statusCode !== 200) fail(new Error(`${path}: ${response.statusCode}`));
        const { user, system } = process.cpuUsage(before);
        settle({ ms: performance.now() - at, cpuMs: (user + system) / 1000, bytes });
      });
    });
    sent.on("error", fail);
    sent.end();
  });
}

/**
 * From the request until two frames were drawn of a page that answers to input: the whole of it, or a
 * form whose outcome is still to come.
 */
async function interactive(page: Page, url: string): Promise<number> {
  const at = performance.now();
  await page.goto(url, { waitUntil: "commit" });
  await page.waitForSelector("main#content h1");
  if (!url.includes("remove=")) await page.waitForLoadState("domcontentloaded");
  await page.evaluate(
    "new Promise((settle) => requestAnimationFrame(() => requestAnimationFrame(settle)))",
  );
  const shown = performance.now() - at;
  await page.waitForLoadState("domcontentloaded");
  return shown;
}

/** The longest time between two frames while the page goes by, from top to bottom and back. */
async function longestFrame(page: Page): Promise<number> {
  return await page.evaluate<number>(`new Promise((settle) => {
    const bottom = document.documentElement.scrollHeight - innerHeight;
    let [last, longest, steps] = [performance.now(), 0, 0];
    const frame = (now) => {
      if (steps > 0) longest = Math.max(longest, now - last);
      last = now;
      steps += 1;
      scrollTo(0, steps <= 60 ? (bottom * steps) / 60 : (bottom * (120 - steps)) / 60);
      if (steps < 120) requestAnimationFrame(frame);
      else settle(longest);
    };
    requestAnimationFrame(frame);
  })`);
}

async function measurePages(
  browser: Browser,
  base: string,
  token: string,
  paths: readonly string[],
) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  await context.addCookies([
    { name: "__Host-evenkeel", value: token, url: base, secure: true, httpOnly: true },
  ]);
  const page = await context.newPage();
  row("page", "server ms, CPU ms, first ms, KiB, interactive ms, longest frame ms");
  for (const path of paths) {
    const asked: Asked[] = [];
    // A simulation is asked for once more, and that is enough: it takes its time.
    const rounds = path.includes("remove=") ? 1 : ROUNDS;
    for (let i = 0; i <= rounds; i++) asked.push(await ask(base, path, token));
    const later = asked.slice(1);
    const shown: number[] = [];
    for (let i = 0; i < rounds; i++) shown.push(await interactive(page, base + path));
    const frames: number[] = [];
    for (let i = 0; i < 3; i++) frames.push(await longestFrame(page));
    const figures = [
      median(later.map(({ ms }) => ms))
        .toFixed(0)
        .padStart(6),
      median(later.map(({ cpuMs }) => cpuMs))
        .toFixed(0)
        .padStart(6),
      (asked[0]?.ms ?? 0).toFixed(0).padStart(6),
      ((asked[0]?.bytes ?? 0) / 1024).toFixed(0).padStart(6),
      median(shown).toFixed(0).padStart(8),
      median(frames).toFixed(0).padStart(8),
    ];
    row(path.slice(0, 34), figures.join(" "));
  }
}

const directory = mkdtempSync(join(tmpdir(), "ek-pages-"));
const postgres = await openPostgres();
const databaseUrl = await postgres.database();
const times = { heartbeatSeconds: 5, suspectSeconds: 7200, lostSeconds: 14_400 };
const server = await createServer({ directory, databaseUrl, times });
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  row("machine", machine());
  row("date", new Date().toISOString().slice(0, 10));
  const address = await server.app.listen({ host: "127.0.0.1", port: 0 });
  const base = address.replace("[::1]", "127.0.0.1");
  const token = readFileSync(join(directory, "operator.token"), "utf8").trim();
  const profiles = fleetProfiles(KINDS, KINDS);
  const contracts = contractsOf(profiles);
  const client = await connectTo(databaseUrl);
  await client.query(
    `insert into contracts (digest, contract, arch, vendor, firecracker, node, reported_by, created)
     select d, c, 'x86_64', 'intel', '1.14.1', 'n', 'token:bench', now()
     from unnest($1::text[], $2::text[]) as t (d, c)`,
    [[...contracts.keys()], [...contracts.values()]],
  );
  await joinKinds(base, token, profiles);
  await fill(client, [...contracts.keys()]);
  const { rows } = await client.query<{ digest: string; class: string }>(
    `select (select min(digest) from held_snapshots) as digest, min(class) as class from profiles`,
  );
  await client.end();
  const [first] = rows;
  const paths = [
    "/",
    "/compatibility",
    "/pools",
    `/pools/${POOL}`,
    "/nodes",
    "/nodes?q=copy-0&page=3",
    "/nodes/copy-00001",
    "/snapshots",
    "/snapshots?q=one-class",
    `/snapshots/${first?.digest}`,
    "/sandboxes",
    "/sandboxes?q=copy-0001",
    "/drift",
    "/change",
    `/change?remove=${first?.class}`,
  ];
  const asked = process.argv.slice(2);
  await measurePages(
    browser,
    base,
    token,
    paths.filter((path) => asked.length === 0 || asked.includes(path)),
  );
} finally {
  await browser.close();
  await server.close();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();
