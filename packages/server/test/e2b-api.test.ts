/**
 * E2B's API and data plane between a server, a node of the test's own and guest agents that are
 * processes here: no VMs, so that what is wrong in between shows in seconds.
 */
import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { actAs, GUEST_PORT, listenRaw } from "./e2b-node.ts";
import {
  caller,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  snapshotOf,
  useFleet,
  type Answer,
} from "./support.ts";

const DOMAIN = "sbx.example";
const PORT = 17_703;
const logged: string[] = [];

/** Keeps all that a server logs. */
const logger = (() => {
  const keep = (...given: unknown[]) => void logged.push(JSON.stringify(given));
  const own = { level: "debug", fatal: keep, error: keep, warn: keep, info: keep, debug: keep };
  return { ...own, trace: keep, silent: () => undefined, child: () => logger } as never;
})();

interface Raw {
  readonly status: number;
  readonly text: string;
}

describe("E2B's API", () => {
  const fleet = useFleet("pglite", {
    e2b: { domain: DOMAIN, listen: { host: "127.0.0.1", port: PORT } },
    logger,
  });
  const keys: Record<string, string> = {};
  let acting: ReturnType<typeof actAs> | undefined;

  const api = async (
    team: string,
    method: "GET" | "POST" | "DELETE",
    path: string,
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<Answer> => {
    const call = caller(`https://127.0.0.1:${PORT}`, { ca: fleet().ca });
    const key = keys[team];
    return await call(method, path, body, {
      host: `api.${DOMAIN}`,
      ...(key === undefined ? {} : { "x-api-key": key }),
      ...more,
    });
  };

  /** To a port of a sandbox, by the host's name. */
  const reach = async (
    sandbox: string,
    port: number,
    path: string,
    { method = "GET", headers = {}, body = "" } = {},
  ): Promise<Raw> => {
    const host = `${port}-${sandbox}.${DOMAIN}`;
    const tls = { ca: fleet().ca, servername: host, agent: false } as const;
    const options = {
      ...tls,
      host: "127.0.0.1",
      port: PORT,
      path,
      method,
      headers: { host, ...headers },
    };
    const asked = request(options);
    asked.end(body);
    const [answer] = await once(asked, "response");
    return { status: answer.statusCode, text: await text(answer) };
  };

  /** What comes back on a connection of its own until it ends, or until it has said `enough`. */
  const speak = async (host: string, said: string, enough?: string): Promise<string> => {
    const { ca } = fleet();
    const socket = connectTls({ host: "127.0.0.1", port: PORT, servername: host, ca });
    socket.on("error", () => undefined);
    socket.write(said);
    let heard = "";
    for await (const part of socket) {
      heard += String(part);
      if (enough !== undefined && heard.includes(enough)) break;
    }
    socket.destroy();
    return heard;
  };

  beforeAll(async () => {
    const { operator, join, base, ca } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "icx"));
    const contract = contractFrom(node.profile);
    const { held, manifest } = snapshotOf(contract, "base");
    await node.call("PUT", "/v1/node/contracts", contractBody(contract));
    const report = { digest: "1".repeat(64), snapshots: [held] };
    await node.call("PUT", "/v1/node/snapshots", report);
    await node.call("PUT", "/v1/node/manifests", { manifests: [manifest] });
    await node.call("PUT", "/v1/node/snapshots", report);
    acting = actAs(node, base, ca);
    acting.holds(held);
    acting.start();
    for (const team of ["acme", "rival"]) {
      const made = await operator("POST", "/v1/e2b-keys", { team, name: "test" });
      keys[team] = made.body.key;
    }
  }, 240_000);
  afterAll(() => acting?.stop());

  test("who has no key, or a wrong one, gets nothing; what is not there says so by its name", async () => {
    keys["wrong"] = `e2b_${"0".repeat(40)}`;
    for (const team of ["nobody", "wrong"]) {
      const { status, body } = await api(team, "GET", "/v2/sandboxes");
      expect([status, body.code]).toEqual([401, 401]);
    }
    expect((await api("nobody", "GET", "/health")).status).toBe(204);
    const volumes = await api("acme", "POST", "/v2/sandboxes", {
      templateID: "base",
      volumeMounts: [{ name: "v", path: "/v" }],
    });
    expect(volumes.body).toEqual({
      code: 501,
      error_code: "not_implemented",
      message: "volumeMounts: not implemented by this server",
    });
    expect((await api("acme", "POST", "/volumes", {})).body.message).toContain("POST /volumes");
    expect((await api("acme", "POST", "/v2/sandboxes", { templateID: 1 })).body.code).toBe(400);
    expect((await api("acme", "POST", "/v2/sandboxes", { templateID: "nothing" })).status).toBe(
      404,
    );
  });

  test("a sandbox is one team's, its agent for who has its token, and its other ports as asked", async () => {
    const asked = {
      templateID: "base",
      metadata: { a: "b" },
      envVars: { SECRET: "of-acme" },
      timeout: 60,
    };
    const made = await api("acme", "POST", "/v2/sandboxes", asked);
    expect(made).toMatchObject({ status: 201, body: { templateID: "base", domain: DOMAIN } });
    const { sandboxID: id, envdAccessToken: token } = made.body;
    const other = await api("rival", "POST", "/v2/sandboxes", { templateID: "base", timeout: 60 });

    // Nothing of it is the rival's.
    for (const [method, path] of [
      ["GET", `/sandboxes/${id}`],
      ["DELETE", `/sandboxes/${id}`],
      ["POST", `/sandboxes/${id}/pause`],
      ["POST", `/v2/sandboxes/${id}/connect`],
      ["POST", `/sandboxes/${id}/connect`],
      ["GET", `/sandboxes/${id}/metrics`],
      ["GET", `/v2/sandboxes/${id}/logs`],
    ] as const) {
      const { status, body } = await api("rival", method, path, method === "POST" ? {} : undefined);
      expect([path, status, body.code]).toEqual([path, 404, 404]);
    }
    const timeout = await api("rival", "POST", `/sandboxes/${id}/timeout`, { timeout: 1 });
    expect(timeout.status).toBe(404);
    const listed = await api("rival", "GET", "/v2/sandboxes");
    expect(listed.body.map((one: { sandboxID: string }) => one.sandboxID)).toEqual([
      other.body.sandboxID,
    ]);

    // Nor through the data plane.
    const envs = async (headers: object) =>
      (await reach(id, GUEST_PORT, "/envs", { headers })).status;
    expect(await envs({})).toBe(401);
    expect(await envs({ "x-access-token": other.body.envdAccessToken })).toBe(401);
    expect(await envs({ "x-api-key": keys["acme"] })).toBe(401);
    const own = await reach(id, GUEST_PORT, "/envs", { headers: { "x-access-token": token } });
    expect(JSON.parse(own.text)).toEqual({ SECRET: "of-acme" });
    const init = { method: "POST", headers: { "x-access-token": token }, body: "{}" };
    expect((await reach(id, GUEST_PORT, "/init", init)).status).toBe(401);

    // A head and a body at once, as HTTP clients write them, arrive as they were.
    for (let i = 0; i < 50; i++) {
      const sent = {
        method: "POST",
        headers: { "x-access-token": token, "content-type": "application/json" },
      };
      const answer = await reach(id, GUEST_PORT, "/filesystem.Filesystem/Stat", {
        ...sent,
        body: `{"path":"/"}`,
      });
      expect(JSON.parse(answer.text).entry.type).toBe("FILE_TYPE_DIRECTORY");
    }
    expect((await reach(id, 1, "/")).status).toBe(502);
    expect((await reach("s0000000000000000", 80, "/")).status).toBe(502);
    const { body: metrics } = await api("acme", "GET", `/sandboxes/${id}/metrics`);
    expect(metrics).toHaveLength(1);

    // Paused, and on again by name; the rival's by nothing.
    expect((await api("acme", "POST", `/sandboxes/${id}/pause`, {})).status).toBe(204);
    expect((await api("acme", "POST", `/sandboxes/${id}/pause`, {})).status).toBe(409);
    expect((await api("acme", "GET", `/sandboxes/${id}`)).body.state).toBe("paused");
    expect((await reach(id, GUEST_PORT, "/health")).status).toBe(502);
    const disk = await api("acme", "POST", `/v2/sandboxes/${id}/connect`, { memory: false });
    expect([disk.status, disk.body.error_code]).toEqual([400, "sandbox_memory_override_disabled"]);
    const connects = [1, 2, 3].map(
      async () => await api("acme", "POST", `/v2/sandboxes/${id}/connect`, {}),
    );
    const statuses = (await Promise.all(connects)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    expect((await reach(id, GUEST_PORT, "/health")).status).toBe(204);
    expect((await api("acme", "DELETE", `/sandboxes/${id}`)).status).toBe(204);
    expect((await api("acme", "DELETE", `/sandboxes/${id}`)).status).toBe(404);
    expect((await reach(id, GUEST_PORT, "/health")).status).toBe(502);

    // What nobody may read anywhere.
    const { body: logs } = await api("rival", "GET", `/v2/sandboxes/${other.body.sandboxID}/logs`);
    expect(logs.logs[0]).toMatchObject({ message: "sandbox.created", fields: {} });
    const everything = logged.join("\n");
    for (const secret of [keys["acme"], keys["rival"], token, "of-acme"]) {
      expect(everything).not.toContain(secret);
    }
  }, 120_000);

  test("streams, upgrades, private ports and resumes by traffic", async () => {
    const seen: string[] = [];
    let release = (): void => undefined;
    const app = createHttp((asked, response) => {
      seen.push(`${asked.method} ${asked.url}`);
      response.write(`${asked.url} by ${String(asked.headers.host)} `);
      if (asked.url === "/held") release = () => void response.end("end");
      else if (asked.url === "/slow") setTimeout(() => response.end("end"), 300);
      else response.end(String(asked.headers["x-api-key"]));
    });
    app.on("upgrade", (_asked, socket: Duplex) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
      );
      socket.pipe(socket);
    });
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    const { port } = app.address() as AddressInfo;
    const asked = {
      templateID: "base",
      timeout: 60,
      autoPause: true,
      autoResume: { enabled: true },
      network: { allowPublicTraffic: false },
    };
    const { body } = await api("acme", "POST", "/v2/sandboxes", asked);
    const { sandboxID: id, trafficAccessToken: traffic } = body;
    const headers = { "e2b-traffic-access-token": traffic, "x-api-key": "not passed on" };
    expect((await reach(id, port, "/")).status).toBe(401);
    const host = `${port}-${id}.${DOMAIN}`;
    expect((await reach(id, port, "/a", { headers })).text).toBe(`/a by ${host} undefined`);
    expect((await reach(id, port, "/slow", { headers })).text).toBe(`/slow by ${host} end`);

    // A body that looks like a request is a body, also where its method usually has none.
    const inside = "GET /inside HTTP/1.1\r\nHost: x\r\n\r\n";
    const chunked = { ...headers, "transfer-encoding": "chunked" };
    const named = {
      ...headers,
      connection: "content-length",
      "content-length": String(inside.length),
    };
    for (const [own, method] of [
      [chunked, "DELETE"],
      [chunked, "GET"],
      [named, "DELETE"],
      [named, "OPTIONS"],
    ] as const) {
      await reach(id, port, "/outside", { method, headers: own, body: inside });
    }
    await reach(id, port, "/after", { headers });
    const outside = ["DELETE", "GET", "DELETE", "OPTIONS"].map((method) => `${method} /outside`);
    expect(seen.slice(-5)).toEqual([...outside, "GET /after"]);

    // A new end cuts no stream.
    const held = reach(id, port, "/held", { headers });
    await expect.poll(() => seen.at(-1)).toBe("GET /held");
    const later = { timeout: 90 };
    expect((await api("acme", "POST", `/sandboxes/${id}/timeout`, later)).status).toBe(204);
    release();
    expect((await held).text).toBe(`/held by ${host} end`);

    const upgrade = { connection: "Upgrade", upgrade: "echo" };
    const tls = {
      ca: fleet().ca,
      servername: host,
      agent: false,
      host: "127.0.0.1",
      port: PORT,
    } as const;
    const sent = request({ ...tls, path: "/", headers: { host, ...headers, ...upgrade } });
    sent.end();
    const [, socket] = (await once(sent, "upgrade")) as [unknown, Duplex];
    socket.write("there and back");
    expect(String((await once(socket, "data"))[0])).toBe("there and back");
    socket.destroy();
    const refused = request({ ...tls, path: "/", headers: { host, ...upgrade } });
    refused.end();
    expect((await once(refused, "response"))[0].statusCode).toBe(401);

    expect((await api("acme", "POST", `/sandboxes/${id}/pause`, {})).status).toBe(204);
    expect((await reach(id, port, "/")).status).toBe(401);
    expect((await api("acme", "GET", `/sandboxes/${id}`)).body.state).toBe("paused");
    expect((await reach(id, port, "/b", { headers })).text).toContain("/b by");
    expect((await api("acme", "GET", `/sandboxes/${id}`)).body.state).toBe("running");
    expect((await api("acme", "DELETE", `/sandboxes/${id}`)).status).toBe(204);
    app.close();
  }, 120_000);

  test("a guest's bytes end neither the server nor other connections", async () => {
    const { body } = await api("acme", "POST", "/v2/sandboxes", { templateID: "base" });
    const { sandboxID: id } = body;
    const heard: string[] = [];
    const guest = await listenRaw((socket, said) => {
      heard.push(said);
      const [, path = ""] = said.split(" ");
      const status = path === "/reason" ? "200 a\u0001b" : `${path.slice(1)} any`;
      const agrees = "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
      const answers = `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`;
      socket.write(path === "/unasked" ? agrees : answers);
    });
    const { port } = guest.address() as AddressInfo;
    for (const path of ["/000", "/099", "/101", "/unasked"]) {
      expect([path, (await reach(id, port, path)).status]).toEqual([path, 502]);
    }
    expect([200, 502]).toContain((await reach(id, port, "/reason")).status);
    expect(await reach(id, port, "/226")).toEqual({ status: 226, text: "ok" });

    // Nothing passes raw before the guest agrees: neither what follows the head nor to the agent.
    const host = `${port}-${id}.${DOMAIN}`;
    const inside = "GET /inside HTTP/1.1\r\nHost: x\r\n\r\n";
    const upgrade = (path: string, to: string) =>
      `GET ${path} HTTP/1.1\r\nHost: ${to}\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${inside}`;
    const refused = await speak(host, upgrade("/426", host), "ok");
    expect(refused).toContain("HTTP/1.1 426 Upgrade Required\r\n");
    expect(heard.join("")).not.toContain("/inside");
    const agent = `${GUEST_PORT}-${id}.${DOMAIN}`;
    expect(await speak(agent, upgrade("/health", agent))).toMatch(/^HTTP\/1\.1 404 /);

    // Bodies that never end, and callers that leave, take no connection from others.
    const half = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9\r\n\r\n1`;
    const many = Array.from({ length: 101 }, async () => await speak(host, half("/200"), "ok"));
    await Promise.all(many);
    expect((await reach(id, port, "/200")).status).toBe(200);
    expect((await api("acme", "DELETE", `/sandboxes/${id}`)).status).toBe(204);
    guest.close();
  }, 120_000);

  test("whoever comes while it is paused starts one resume, and a question starts none", async () => {
    const key = { "idempotency-key": "one-sandbox" };
    const wanted = { templateID: "base", autoPause: true, autoResume: { enabled: true } };
    const { body } = await api("acme", "POST", "/v2/sandboxes", wanted, key);
    const { sandboxID: id } = body;
    const resumes = () => acting?.done.filter((one) => one === `resume ${id}`).length;
    expect((await api("acme", "POST", `/sandboxes/${id}/pause`, {})).status).toBe(204);
    expect((await reach(id, GUEST_PORT, "/health")).status).toBe(502);
    // The answer to its creation, again, is no reason to end it.
    const again = await api("acme", "POST", "/v2/sandboxes", wanted, key);
    expect(again).toMatchObject({ status: 201, body: { sandboxID: id } });
    expect(resumes()).toBe(0);

    acting?.failing.add("resume");
    const ten = Array.from({ length: 10 }, async () => (await reach(id, 80, "/")).status);
    expect(new Set(await Promise.all(ten))).toEqual(new Set([409]));
    expect((await reach(id, 80, "/")).status).toBe(409);
    expect(resumes()).toBe(1);
    acting?.failing.delete("resume");
    expect((await api("acme", "POST", `/v2/sandboxes/${id}/connect`, {})).status).toBe(201);

    // Its node pauses it by itself, which takes a while.
    await acting?.becomes(id, "pausing");
    const stateOf = async () => {
      const { body: all } = await fleet().operator("GET", "/v1/sandboxes");
      return all.sandboxes.find((one: { id: string }) => one.id === id)?.state;
    };
    await expect.poll(stateOf).toBe("pausing");
    const connecting = api("acme", "POST", `/v2/sandboxes/${id}/connect`, {});
    setTimeout(() => void acting?.becomes(id, "paused"), 500);
    expect((await connecting).status).toBe(201);
    expect((await api("acme", "DELETE", `/sandboxes/${id}`)).status).toBe(204);
  }, 120_000);

  test("a key that is revoked opens nothing, and only digests are kept", async () => {
    const { operator, tokenOf } = fleet();
    const { body } = await operator("POST", "/v1/e2b-keys", { team: "gone", name: "one" });
    keys["gone"] = body.key;
    expect((await api("gone", "GET", "/v2/sandboxes")).status).toBe(200);
    expect((await operator("POST", "/v1/e2b-keys", { team: "gone", name: "one" })).status).toBe(
      409,
    );
    expect(JSON.stringify((await operator("GET", "/v1/e2b-keys")).body)).not.toContain(body.key);
    expect((await operator("DELETE", "/v1/e2b-keys/gone/one")).status).toBe(204);
    expect((await api("gone", "GET", "/v2/sandboxes")).status).toBe(401);
    const viewer = await tokenOf("view");
    expect((await viewer("POST", "/v1/e2b-keys", { team: "a", name: "b" })).status).toBe(403);
  });
});
