/** The pages of `evenkeel serve`: who gets in, what they show, and how they look in a real browser. */
import { createHash } from "node:crypto";
import { request } from "node:https";
import { profileDigest, profileToJson, type CpuContract } from "@evenkeel/core";
import { describe, expect, it, beforeAll } from "vitest";
import {
  CASCADE_LAKE,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  snapshotOf,
  useFleet,
  type TestNode,
} from "../../server/test/support.ts";
import {
  expectToFit,
  open,
  shoot,
  THEMES,
  useBrowser,
  violationsIn,
  WIDTHS,
  withoutChromium,
} from "./browser.ts";

const fleet = useFleet("pglite");
/** Of the older node's snapshot. */
let DIGEST = "";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

async function ask(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  form?: string,
): Promise<Answer> {
  const options = {
    ca: fleet().ca,
    agent: false,
    method: form === undefined ? "GET" : "POST",
    headers: {
      ...headers,
      ...(form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
    },
  };
  return await new Promise((settle, fail) => {
    const sent = request(new URL(path, fleet().base), options, (response) => {
      let body = "";
      response.on("data", (part: Buffer) => {
        body += part.toString("utf8");
      });
      response.on("end", () =>
        settle({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    sent.on("error", fail);
    sent.end(form);
  });
}

function requireStatus(status: number, answer: { readonly status: number }): void {
  if (answer.status !== status) throw new Error(JSON.stringify(answer));
}

const cookie = () => ({ cookie: `__Host-evenkeel=${fleet().token}` });

const SANDBOX = "s1";
const MARKS = "\u202eevil\u001b[31m<b>";

/** A snapshot of each node, and on the older one another that was taken from it. */
async function hold(node: TestNode): Promise<string> {
  const contract: CpuContract = contractFrom(node.profile);
  await node.call("PUT", "/v1/node/contracts", contractBody(contract));
  const { held, manifest } = snapshotOf(contract, `base-${node.name}`);
  const later = { ...(JSON.parse(manifest) as object), kind: "sandbox", parent: held.digest };
  const text = JSON.stringify(later);
  const digest = createHash("sha256").update(text).digest("hex");
  const child = { ...held, name: "later", digest, kind: "sandbox", parent: held.digest };
  const isOld = node.name === "clx";
  const manifests = isOld ? [manifest, text] : [manifest];
  requireStatus(200, await node.call("PUT", "/v1/node/manifests", { manifests }));
  const snapshots = isOld ? [held, child] : [held];
  const report = { digest: "1".repeat(64), snapshots };
  requireStatus(200, await node.call("PUT", "/v1/node/snapshots", report));
  return held.digest;
}

beforeAll(async () => {
  const { operator, join } = fleet();
  const old = await join(profileNamed(CASCADE_LAKE, "clx"), { pool: "mixed" });
  const young = await join(profileNamed(ICE_LAKE, "icx"), { pool: "mixed", odd: MARKS });
  DIGEST = await hold(old);
  await hold(young);
  await operator("POST", "/v1/pools", { name: "mixed", selector: { pool: "mixed" } });
  const approve = async (version: number, atOnce: boolean) => {
    const planned = await operator("POST", "/v1/pools/mixed/plans", {});
    requireStatus(201, planned);
    const approval = { digest: planned.body.digest, atOnce };
    const path = `/v1/pools/mixed/plans/${version}/approve`;
    requireStatus(200, await operator("POST", path, approval));
  };
  await approve(1, true);
  await approve(2, false);
  const host = { ...young.profile.host, kernel: "6.8.0-99-generic" };
  const changed = { ...young.profile, host };
  const report = { digest: profileDigest(changed), profile: profileToJson(changed) };
  requireStatus(200, await young.call("PUT", "/v1/node/profile", report));
  const sandboxes = [
    {
      id: SANDBOX,
      state: "failed",
      from: DIGEST,
      memoryMib: 512,
      labels: { odd: MARKS },
      created: "2026-01-01T00:00:00.000Z",
    },
  ];
  requireStatus(200, await old.call("POST", "/v1/node/work", { running: [], sandboxes }));
}, 400_000);

describe("who gets in", () => {
  it.each(["/", "/compatibility", "/nodes/clx", "/pools/mixed"])(
    "%s leads whoever has no token to the sign-in, and back",
    async (path) => {
      for (const headers of [{}, { cookie: "__Host-evenkeel=ekt_wrong" }]) {
        const { status, headers: told, body } = await ask(path, headers);
        expect([status, told["location"]]).toEqual([
          303,
          `/sign-in?to=${encodeURIComponent(path)}`,
        ]);
        expect(body).toBe("");
      }
    },
  );

  it("takes an operator's token, and keeps it from scripts and other sites", async () => {
    const form = `to=%2Fnodes&token=${fleet().token}`;
    const { status, headers } = await ask("/sign-in", {}, form);
    expect([status, headers["location"]]).toEqual([303, "/nodes"]);
    expect(headers["set-cookie"]).toEqual([
      `__Host-evenkeel=${fleet().token}; Path=/; Secure; HttpOnly; SameSite=Lax`,
    ]);
  });

  it("takes no other token, and no form of another site", async () => {
    expect(await ask("/sign-in", {}, "token=ekt_wrong")).toMatchObject({ status: 401 });
    const foreign = { "sec-fetch-site": "cross-site" };
    expect(await ask("/sign-in", foreign, `token=${fleet().token}`)).toMatchObject({ status: 403 });
  });

  it.each([
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/x?y#z",
    "/x?//evil.example",
    "javascript:1",
  ])("leads nowhere else after the sign-in: %s", async (to) => {
    const form = new URLSearchParams({ to, token: fleet().token }).toString();
    expect((await ask("/sign-in", {}, form)).headers["location"]).toBe("/");
  });

  it("opens no route of the API with the cookie", async () => {
    expect(await ask("/v1/nodes", cookie())).toMatchObject({ status: 401 });
  });

  it("tells nobody what happens who has not signed in", async () => {
    expect(await ask("/events")).toMatchObject({ status: 401 });
  });
});

describe("what pages say", () => {
  it("says first what matters", async () => {
    const { body, headers } = await ask("/", cookie());
    expect(body).toContain("2 nodes in 2 classes");
    expect(body).toContain(
      "3 of 3 snapshots can resume on one node only: base-clx, base-icx and later.",
    );
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'self';/);
    expect(headers["cache-control"]).toBe("no-store");
  });

  it("says why a snapshot moves nowhere else", async () => {
    const { body } = await ask("/compatibility", cookie());
    expect(body.match(/class="cell incompatible"/g)).toHaveLength(2);
    expect(body).toContain("AVX512_VBMI2");
    expect(body).toContain("die of SIGILL");
  });

  it("answers for one snapshot what placement answers", async () => {
    const { body } = await ask(`/snapshots/${DIGEST}`, cookie());
    const { body: placement } = await fleet().operator("POST", "/v1/placements", {
      snapshot: DIGEST,
    });
    expect(body).toContain(`of ${placement.considered} can take it now`);
  });

  it("answers for a change what simulate answers", async () => {
    const { body } = await ask("/change?remove=icx&pool=mixed", cookie());
    const simulated = await fleet().operator("POST", "/v1/simulations", {
      remove: ["icx"],
      pool: "mixed",
    });
    expect(simulated.body.count).toBe(1);
    expect(body).toContain("The change takes 1 snapshot: --strand 1 lets it.");
    for (const { digest } of simulated.body.stranded) expect(body).toContain(digest);
    expect(body).toContain("base-icx");
    expect((await ask("/change?remove=nobody", cookie())).body).toMatch(/role="alert">[^<]*nobody/);
  });

  it("draws what the API answers", async () => {
    const { operator } = fleet();
    const overview = (await operator("GET", "/v1/overview")).body;
    expect(overview).toMatchObject({
      nodes: { all: 2, ready: 2 },
      snapshots: { all: 3, stranded: { count: 0 }, oneClass: { count: 3 } },
      room: { sandboxes: 20 },
    });
    expect(overview.classes.map(({ alone }: { alone: number }) => alone).toSorted()).toEqual([
      1, 2,
    ]);
    const tree = (await operator("GET", "/v1/pools/mixed/tree")).body;
    expect(tree.classes).toHaveLength(2);
    expect(tree.tree).toHaveLength(1);
    expect(tree.tree[0].cost).toBeGreaterThan(10);
    const { changes } = (await operator("GET", "/v1/drifts")).body;
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({
      nodes: { count: 1, names: ["icx"] },
      after: { kernel: "6.8.0-99-generic" },
      served: { before: 1, after: 1 },
    });
    const rollout = (await operator("GET", "/v1/pools/mixed/rollout")).body;
    expect(rollout).toMatchObject({ version: 2, before: 1, stage: "canary", state: "rolling" });
    expect(rollout.nodes.map(({ wave }: { wave: string }) => wave)).toEqual(["canary", "canary"]);
    const detail = (await operator("GET", `/v1/snapshots/${DIGEST}`)).body;
    expect(detail.children.map(({ name }: { name: string }) => name)).toEqual(["later"]);
    expect(detail.sandboxes).toEqual([SANDBOX]);
    const verdicts = detail.verdicts.map(({ verdict }: { verdict: string }) => verdict);
    expect(verdicts.toSorted()).toEqual(["compatible", "incompatible"]);
  });

  it("cuts a pool where the address says", async () => {
    const one = await ask("/pools/mixed", cookie());
    expect(one.body).toMatch(/data-cut="1"/);
    const two = await ask("/pools/mixed?pools=2", cookie());
    expect(two.body).toMatch(/data-cut="0"/);
    expect(two.body).toContain('href="/pools/mixed?pools=1#tree"');
    for (const odd of ["0", "99", "x", "-1"]) {
      expect((await ask(`/pools/mixed?pools=${odd}`, cookie())).body).toMatch(/data-cut="[01]"/);
    }
  });

  it("shows labels of strangers as they are", async () => {
    const list = await ask("/sandboxes", cookie());
    expect(list.body).toContain("odd=\\u202eevil\\u001b[31m&lt;b>");
    const one = await ask(`/sandboxes/${SANDBOX}`, cookie());
    expect(one.body).toContain("odd=\\u202eevil\\u001b[31m&lt;b>");
    expect((await ask("/nodes/icx", cookie())).body).not.toContain("\u202e");
  });

  it("finds snapshots by how far they reach, and by any word", async () => {
    const found = async (words: string) => {
      const { body } = await ask(`/snapshots?q=${encodeURIComponent(words)}`, cookie());
      return /<span>(\d+) snapshots?(?: match)?<\/span>/.exec(body)?.[1];
    };
    expect(await found("stranded")).toBe("0");
    expect(await found("one-class")).toBe("3");
    expect(await found("one-node later")).toBe("1");
    expect(await found("icx")).toBe("1");
    expect(await found("clx base")).toBe("1");
    expect(await found("100%_\\")).toBe("0");
  });

  it("says what is not there, as a page", async () => {
    for (const path of [
      "/nodes/nobody",
      "/pools/nothing",
      "/pools/nothing/rollout",
      "/sandboxes/nobody",
      `/snapshots/${"0".repeat(64)}`,
    ]) {
      const { status, body, headers } = await ask(path, cookie());
      expect([status, headers["content-type"]]).toEqual([404, "text/html; charset=utf-8"]);
      expect(body).toContain("That did not work");
    }
  });

  it("finds nodes, and shows what was searched for as text", async () => {
    const found = await ask("/nodes?q=icx%20pool%3Dmixed", cookie());
    expect(found.body).toContain("1 node match");
    expect(found.body).not.toContain('href="/nodes/clx"');
    const hostile = await ask(`/nodes?q=${encodeURIComponent('"><script>1</script>')}`, cookie());
    expect(hostile.body).toContain("0 nodes match");
    expect(hostile.body.match(/<script/g)).toHaveLength(1);
  });

  it("is small: all that a browser loads for a page, before it is compressed", async () => {
    const page = await ask("/", cookie());
    const assets = [...page.body.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(
      ([, p = ""]) => p,
    );
    expect(assets).toHaveLength(2);
    const loaded = await Promise.all(assets.map(async (path) => await ask(path)));
    const bytes = [page, ...loaded].reduce((sum, { body }) => sum + body.length, 0);
    expect(bytes).toBeLessThan(150_000);
  });
});

useBrowser();

describe.skipIf(withoutChromium)("pages in a browser", () => {
  const PATHS = [
    "/",
    "/compatibility",
    "/pools",
    "/pools/mixed",
    "/nodes",
    "/pools/mixed/rollout",
    "/nodes/icx",
    "/snapshots",
    "/sandboxes",
    `/sandboxes/${SANDBOX}`,
    "/change",
    "/change?remove=icx&pool=mixed",
    "/drift",
  ];

  it("signs in by keyboard, and out", async () => {
    const { page, close } = await open(`${fleet().base}/nodes/icx`, { ignoreHTTPSErrors: true });
    expect(await violationsIn(page)).toEqual([]);
    await page.getByLabel("Operator's token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Operator's token").fill(fleet().token);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/nodes/icx");
    await page.getByRole("button", { name: "Sign out" }).press("Enter");
    await page.waitForURL("**/sign-in");
    await close();
  }, 180_000);

  it("every page fits every screen, in both themes, and axe finds nothing", async () => {
    const { page, complaints, requests, close } = await open(`${fleet().base}/sign-in`, {
      ignoreHTTPSErrors: true,
    });
    await page.getByLabel("Operator's token").fill(fleet().token);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${fleet().base}/`);
    for (const path of [...PATHS, `/snapshots/${DIGEST}`]) {
      await page.goto(fleet().base + path);
      for (const colorScheme of THEMES) {
        await page.emulateMedia({ colorScheme });
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: 900 });
          await expectToFit(page);
          const name = path.replaceAll(/[^\w]/g, "-").slice(0, 24);
          await shoot(page, `fleet${name}-${width}-${colorScheme}`);
        }
        expect(await violationsIn(page)).toEqual([]);
      }
    }
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(fleet().base) && url !== "data:,")).toEqual([]);
    await close();
  }, 400_000);

  it("moves the cut by mouse and by keyboard, and the address follows", async () => {
    const { page, close } = await open(`${fleet().base}/sign-in?to=/pools/mixed`, {
      ignoreHTTPSErrors: true,
    });
    await page.getByLabel("Operator's token").fill(fleet().token);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/pools/mixed");
    const cut = page.locator(".tree .cut .grip");
    const box = await cut.boundingBox();
    if (box === null) throw new Error("there is no cut");
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x - 140, y, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL("**/pools/mixed?pools=2");
    expect(await page.locator(".tree .cut text").textContent()).toBe("cut: 2 pools");
    await page.locator(".cutter input").press("ArrowRight");
    await page.waitForURL("**/pools/mixed?pools=1");
    expect(await page.locator(".cutter output").textContent()).toContain("--split 1");
    await page.goto(`${fleet().base}/pools/mixed?pools=2`);
    expect(await page.locator(".tree .cut text").textContent()).toBe("cut: 2 pools");
    await close();
  }, 180_000);

  it("simulates by keyboard alone", async () => {
    const { page, close } = await open(`${fleet().base}/sign-in?to=/change`, {
      ignoreHTTPSErrors: true,
    });
    await page.getByLabel("Operator's token").fill(fleet().token);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/change");
    await page.getByLabel("Remove").focus();
    await page.keyboard.type("icx");
    await page.keyboard.press("Enter");
    await page.getByText("The change takes 1 snapshot").waitFor();
    await page.getByText("as a table").press("Enter");
    const stranded = page.getByRole("cell", { name: "stranded", exact: true }).first();
    await stranded.waitFor();
    expect(await stranded.isVisible()).toBe(true);
    await close();
  }, 180_000);

  it("reads itself again when something happens", async () => {
    const { page, close } = await open(`${fleet().base}/sign-in`, { ignoreHTTPSErrors: true });
    await page.getByLabel("Operator's token").fill(fleet().token);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${fleet().base}/`);
    // The first look only learns where the log ends.
    await page.waitForTimeout(5000);
    await fleet().operator("PATCH", "/v1/nodes/icx", { cordoned: true });
    const sentence = page.getByText("1 cordoned");
    await sentence.waitFor({ timeout: 60_000 });
    expect(await sentence.isVisible()).toBe(true);
    await close();
  }, 180_000);
});
