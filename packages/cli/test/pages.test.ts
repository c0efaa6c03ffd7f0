/** The pages of `evenkeel serve`: who gets in, what they show, and how they look in a real browser. */
import { request } from "node:https";
import { describe, expect, it, beforeAll } from "vitest";
import {
  CASCADE_LAKE,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  snapshotOf,
  useFleet,
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

beforeAll(async () => {
  const { operator, join } = fleet();
  const old = await join(profileNamed(CASCADE_LAKE, "clx"), { pool: "mixed" });
  const young = await join(profileNamed(ICE_LAKE, "icx"), { pool: "mixed" });
  for (const node of [old, young]) {
    const contract = contractFrom(node.profile);
    await node.call("PUT", "/v1/node/contracts", contractBody(contract));
    const { held, manifest } = snapshotOf(contract, `base-${node.name}`);
    requireStatus(200, await node.call("PUT", "/v1/node/manifests", { manifests: [manifest] }));
    const report = { digest: "1".repeat(64), snapshots: [held] };
    requireStatus(200, await node.call("PUT", "/v1/node/snapshots", report));
    if (node === old) DIGEST = held.digest;
  }
  await operator("POST", "/v1/pools", { name: "mixed", selector: { pool: "mixed" } });
  const planned = await operator("POST", "/v1/pools/mixed/plans", {});
  requireStatus(201, planned);
  const approval = { digest: planned.body.digest, atOnce: true };
  requireStatus(200, await operator("POST", "/v1/pools/mixed/plans/1/approve", approval));
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

  it.each(["//evil.example", "/\\evil.example", "https://evil.example", "/x?y", "javascript:1"])(
    "leads nowhere else after the sign-in: %s",
    async (to) => {
      const form = new URLSearchParams({ to, token: fleet().token }).toString();
      expect((await ask("/sign-in", {}, form)).headers["location"]).toBe("/");
    },
  );

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
    expect(body).toContain("2 of 2 snapshots can resume on one node only: base-clx and base-icx.");
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

  it("says what is not there, as a page", async () => {
    for (const path of ["/nodes/nobody", "/pools/nothing", `/snapshots/${"0".repeat(64)}`]) {
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
    "/nodes/icx",
    "/snapshots",
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
          const name = path.replaceAll("/", "-").slice(0, 24);
          await shoot(page, `fleet${name}-${width}-${colorScheme}`);
        }
        expect(await violationsIn(page)).toEqual([]);
      }
    }
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(fleet().base) && url !== "data:,")).toEqual([]);
    await close();
  }, 400_000);

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
