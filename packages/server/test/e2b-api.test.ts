/**
 * E2B's API and data plane between a server, a node of the test's own and guest agents that are
 * processes here: no VMs, so that what is wrong in between shows in seconds.
 */
import { once } from "node:events";
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { request } from "node:https";
import { connect, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { startGuestAgent } from "@evenkeel/guest-agent";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentError } from "../../agent/src/errors.ts";
import { serveTunnel } from "../../agent/src/fleet/tunnel.ts";
import {
  caller,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  snapshotOf,
  useFleet,
  type Answer,
  type TestNode,
} from "./support.ts";

const DOMAIN = "sbx.example";
const PORT = 17_703;
const GUEST_PORT = 49_983;
const logged: string[] = [];

/** Keeps all that a server logs. */
const logger = (() => {
  const keep = (...given: unknown[]) => void logged.push(JSON.stringify(given));
  const own = { level: "debug", fatal: keep, error: keep, warn: keep, info: keep, debug: keep };
  return { ...own, trace: keep, silent: () => undefined, child: () => logger } as never;
})();

function portOf(server: HttpServer | undefined): number {
  return (server?.address() as AddressInfo | undefined)?.port ?? 0;
}

/** Runs "sandboxes" as a node says that it does, each with a guest agent of its own. */
function actAs(node: TestNode, base: string, ca: string) {
  const guests = new Map<string, HttpServer>();
  const states = new Map<string, { state: string; snapshot: object }>();
  const stop = new AbortController();
  let [digest, contract] = ["", ""];
  const sandboxOf = (id: string) => {
    const { state, snapshot } = states.get(id) ?? { state: "running", snapshot: {} };
    const created = "2026-01-01T00:00:00.000Z";
    return { id, state, from: digest, contract, memoryMib: 512, labels: {}, created, ...snapshot };
  };
  const perform = async (kind: string, id: string) => {
    if (kind === "create") guests.set(id, await startGuestAgent(0, "127.0.0.1"));
    if (kind === "kill") {
      guests.get(id)?.closeAllConnections();
      guests.get(id)?.close();
      guests.delete(id);
      return {};
    }
    if (kind === "extend") return { sandbox: sandboxOf(id) };
    states.set(id, {
      state: kind === "pause" ? "paused" : "running",
      snapshot: kind === "pause" ? { snapshot: digest } : {},
    });
    return { sandbox: sandboxOf(id) };
  };
  const work = async () => {
    while (!stop.signal.aborted) {
      const { body } = await node.call("POST", "/v1/node/work", { running: [] });
      for (const one of (body?.work ?? []) as {
        id: string;
        work: { kind: string; sandbox: string };
      }[]) {
        const result = await perform(one.work.kind, one.work.sandbox);
        await node.call("POST", `/v1/node/work/${one.id}`, result);
      }
    }
  };
  const open = async (id: string, port: number) => {
    if (states.get(id)?.state !== "running") throw new AgentError("WRONG_STATE", "it is paused");
    const guest = guests.get(id);
    const to = port === GUEST_PORT ? portOf(guest) : port;
    const socket = connect({ port: to, host: "127.0.0.1" });
    await once(socket, "connect").catch(() => {
      throw new AgentError("PORT_CLOSED", "nobody listens");
    });
    return socket;
  };
  const dial = async () => {
    const headers = { connection: "Upgrade", upgrade: "evenkeel-tunnel" };
    const asked = request(new URL("/v1/node/tunnel", base), {
      headers,
      ca,
      ...node.credentials,
      agent: false,
    });
    asked.end();
    const [, socket] = (await once(asked, "upgrade")) as [unknown, Duplex];
    await serveTunnel(socket, open, stop.signal);
  };
  return {
    holds: (one: { digest: string; contract: string }) => {
      [digest, contract] = [one.digest, one.contract];
    },
    start: () => {
      void work().catch(() => undefined);
      void dial().catch(() => undefined);
    },
    stop: () => {
      stop.abort();
      for (const guest of guests.values()) guest.close();
    },
  };
}

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
  ): Promise<Answer> => {
    const call = caller(`https://127.0.0.1:${PORT}`, { ca: fleet().ca });
    const key = keys[team];
    return await call(method, path, body, {
      host: `api.${DOMAIN}`,
      ...(key === undefined ? {} : { "x-api-key": key }),
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
    const everything = logged.join("\n");
    for (const secret of [keys["acme"], keys["rival"], token, "of-acme"]) {
      expect(everything).not.toContain(secret);
    }
  }, 120_000);

  test("streams, upgrades, private ports and resumes by traffic", async () => {
    const seen: string[] = [];
    const app = createHttp((asked, response) => {
      seen.push(`${asked.method} ${asked.url}`);
      response.write(`${asked.url} by ${String(asked.headers.host)} `);
      if (asked.url === "/slow") setTimeout(() => response.end("end"), 300);
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
    for (const method of ["DELETE", "GET"]) {
      await reach(id, port, "/outside", { method, headers: chunked, body: inside });
    }
    await reach(id, port, "/after", { headers });
    expect(seen.slice(-3)).toEqual(["DELETE /outside", "GET /outside", "GET /after"]);

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
