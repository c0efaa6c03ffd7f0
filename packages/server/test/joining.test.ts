/** Joining, certificates, tokens and roles: who gets in, as whom, and who does not. */
import { profileToJson } from "@evenkeel/core";
import { FLEET_ROUTES } from "@evenkeel/api/fleet";
import { afterEach, describe, expect, test, vi } from "vitest";
import { STORES } from "./postgres.ts";
import {
  CASCADE_LAKE,
  caller,
  foreignCertificate,
  ICE_LAKE,
  makeKeys,
  profileNamed,
  useFleet,
} from "./support.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe.each(STORES)("on %s", (store) => {
  const fleet = useFleet(store);
  const codeOf = ({ status, body }: { status: number; body: { error?: { code: string } } }) => [
    status,
    body?.error?.code,
  ];

  test("the OpenAPI document describes every call", async () => {
    const { body } = await fleet().anyone("GET", "/openapi.json");
    const text = `${JSON.stringify(body, undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot("../../api/openapi/fleet.json");
  });

  test("a token lets one node join; the same key asks again and gets the same node", async () => {
    const { anyone, joinSecret, operator } = fleet();
    const { csr } = await makeKeys();
    const profile = profileToJson(profileNamed(ICE_LAKE, "once"));
    const body = { secret: await joinSecret({ a: "b" }), csr, profile };
    const [first, again] = [
      await anyone("POST", "/v1/join", body),
      await anyone("POST", "/v1/join", body),
    ];
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body.node).toBe(first.body.node);
    const other = await makeKeys();
    const stolen = await anyone("POST", "/v1/join", { ...body, csr: other.csr });
    expect(codeOf(stolen)).toEqual([401, "BAD_JOIN_TOKEN"]);
    const { body: node } = await operator("GET", "/v1/nodes/once");
    expect(node).toMatchObject({ id: first.body.node, labels: { a: "b" }, state: "ready" });
  });

  test("two that use one token at once are one node, or one is refused", async () => {
    const { anyone, joinSecret, operator } = fleet();
    const secret = await joinSecret();
    const answers = await Promise.all(
      ["race-a", "race-b", "race-c"].map(async (name) => {
        const { csr } = await makeKeys();
        const profile = profileToJson(profileNamed(ICE_LAKE, name));
        return await anyone("POST", "/v1/join", { secret, csr, profile });
      }),
    );
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([201, 401, 401]);
    const { body } = await operator("GET", "/v1/nodes");
    const raced = body.nodes.filter(({ name }: { name: string }) => name.startsWith("race-"));
    expect(raced).toHaveLength(1);
  });

  test("a token that expired, or that nobody made, lets nobody join", async () => {
    const { anyone, joinSecret } = fleet();
    const { csr } = await makeKeys();
    const profile = profileToJson(profileNamed(ICE_LAKE, "late"));
    const secret = await joinSecret({}, 10);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 11_000 });
    const late = await anyone("POST", "/v1/join", { secret, csr, profile });
    expect(codeOf(late)).toEqual([401, "BAD_JOIN_TOKEN"]);
    vi.useRealTimers();
    const guess = await anyone("POST", "/v1/join", { secret: "x".repeat(43), csr, profile });
    expect(codeOf(guess)).toEqual([401, "BAD_JOIN_TOKEN"]);
  });

  test("a name is one node's, and a request needs a key of the right kind that its sender has", async () => {
    const { anyone, joinSecret, join } = fleet();
    await join(profileNamed(ICE_LAKE, "taken"));
    const profile = profileToJson(profileNamed(CASCADE_LAKE, "taken"));
    const { csr } = await makeKeys();
    const taken = { secret: await joinSecret(), csr, profile };
    expect(codeOf(await anyone("POST", "/v1/join", taken))).toEqual([409, "NAME_TAKEN"]);
    const large = await makeKeys({ name: "ECDSA", namedCurve: "P-384" });
    const wrong = { ...taken, csr: large.csr };
    expect(codeOf(await anyone("POST", "/v1/join", wrong))).toEqual([400, "BAD_CSR"]);
    // Another key's signature.
    const der = Buffer.from(csr.replaceAll(/-----.*?-----|\s/g, ""), "base64");
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----`;
    const forged = await anyone("POST", "/v1/join", { ...taken, csr: pem });
    expect(codeOf(forged)).toEqual([400, "BAD_CSR"]);
    // None of these used the token up.
    const named = { ...taken, profile: profileToJson(profileNamed(CASCADE_LAKE, "not-taken")) };
    expect((await anyone("POST", "/v1/join", named)).status).toBe(201);
  });

  test("each route is for whom it says: no certificate opens an operator's, no token a node's", async () => {
    const { anyone, join, operator, base, ca, tokenOf } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "roles"));
    const view = await tokenOf("view");
    const wrong = caller(base, { ca, token: "ekt_wrong" });
    const guarded = Object.values(FLEET_ROUTES).filter(({ config }) => config.allow !== "anyone");
    for (const { config, method, url } of guarded) {
      const path = url.replace(":name", "nobody").replace(":version", "1").replace(":digest", "0");
      const body = method === "GET" || method === "DELETE" ? undefined : {};
      const { allow } = config;
      const codes = async (call: typeof anyone) => codeOf(await call(method, path, body));
      const outsider = allow === "node" ? operator : node.call;
      const lesser = allow === "operate" || allow === "override" ? [view] : [];
      const what = `${method} ${path}`;
      const refused = [401, "UNAUTHORIZED"];
      for (const call of [anyone, wrong, outsider]) {
        expect([what, await codes(call)]).toEqual([what, refused]);
      }
      for (const call of lesser) {
        expect([what, await codes(call)]).toEqual([what, [403, "FORBIDDEN"]]);
      }
    }
    expect(guarded.length).toBeGreaterThan(25);
  });

  test("a certificate of another CA is nobody's, whatever it says", async () => {
    const { base, ca, join } = fleet();
    const { id } = await join(profileNamed(ICE_LAKE, "impersonated"));
    const forged = await foreignCertificate([{ OU: ["evenkeel node"] }, { CN: [id] }]);
    const answer = await caller(base, { ...forged, ca })("GET", "/v1/node/plan");
    expect(codeOf(answer)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("a node renews its certificate; once it is deleted, none of them is worth anything", async () => {
    const { base, ca, join, operator } = fleet();
    const node = await join(profileNamed(ICE_LAKE, "renewed"));
    const { csr, key } = await makeKeys();
    const { status, body } = await node.call("POST", "/v1/node/certificate", { csr });
    expect([status, body.node]).toEqual([201, node.id]);
    const renewed = caller(base, { ca, cert: body.certificate, key });
    expect(codeOf(await renewed("GET", "/v1/node/plan"))).toEqual([404, "NO_SUCH_PLAN"]);
    expect((await operator("DELETE", "/v1/nodes/renewed")).status).toBe(204);
    for (const call of [renewed, node.call]) {
      expect(codeOf(await call("GET", "/v1/node/plan"))).toEqual([401, "UNAUTHORIZED"]);
    }
    expect(codeOf(await node.beat())).toEqual([401, "UNAUTHORIZED"]);
  });

  test("nobody makes a token above their own, or deletes the last that may do everything", async () => {
    const { operator, tokenOf } = fleet();
    const operate = await tokenOf("operate");
    const made = await operate("POST", "/v1/tokens", { name: "above", role: "override" });
    expect(codeOf(made)).toEqual([403, "FORBIDDEN"]);
    expect(codeOf(await operate("DELETE", "/v1/tokens/first"))).toEqual([403, "FORBIDDEN"]);
    // Others are left, but none that could release a node or make another of its kind.
    await tokenOf("view");
    const { body: before } = await operator("GET", "/v1/tokens");
    for (const { name, role } of before.tokens) {
      if (name !== "first" && role === "override") await operator("DELETE", `/v1/tokens/${name}`);
    }
    expect(codeOf(await operator("DELETE", "/v1/tokens/first"))).toEqual([409, "WRONG_STATE"]);
    const { body } = await operator("GET", "/v1/tokens");
    for (const { name } of body.tokens) {
      if (name !== "first") await operator("DELETE", `/v1/tokens/${name}`);
    }
    expect(codeOf(await operator("DELETE", "/v1/tokens/first"))).toEqual([409, "WRONG_STATE"]);
    expect(codeOf(await operate("GET", "/v1/nodes"))).toEqual([401, "UNAUTHORIZED"]);
  });

  test("secrets are kept as digests, and who did what is kept", async () => {
    const { operator, joinSecret, token } = fleet();
    const secret = await joinSecret();
    const { body } = await operator("GET", "/v1/audit?limit=1000");
    const text = JSON.stringify(body);
    expect(text).not.toContain(secret);
    expect(text).not.toContain(token);
    const actions = new Set(body.entries.map(({ action }: { action: string }) => action));
    for (const action of ["token.created", "join-token.created", "node.joined", "node.deleted"]) {
      expect(actions).toContain(action);
    }
    const joined = body.entries.find(({ subject }: { subject: string }) => subject === "once");
    expect(joined.actor).toBe("node:once");
  });
});
