/** What a token of each role may do. */
import { AGENT_ROUTES } from "@evenkeel/api";
import { expect, test } from "vitest";
import { CASCADE_LAKE, MACHINE, startNode, TEMPLATE } from "./support.ts";

const TOKENS = { read: "r".repeat(32), run: "w".repeat(32), override: "o".repeat(32) };
const OVERRIDE = { accept: "incompatible", reason: "a test" };

async function asked(tokens: typeof TOKENS | Omit<typeof TOKENS, "override"> = TOKENS) {
  const node = await startNode({ tokens, profile: CASCADE_LAKE });
  const as = async (
    token: string,
    method: "GET" | "POST" | "PUT" | "DELETE",
    url: string,
    payload?: object,
  ) => {
    const headers = { authorization: `Bearer ${token}` };
    const body = payload === undefined ? {} : { payload };
    const answer = await node.agent.app.inject({ method, url, headers, ...body });
    return answer.statusCode;
  };
  return { ...node, as };
}

test("read looks, run does, override goes against verdicts", async () => {
  const { as } = await asked();
  const { read, run, override } = TOKENS;
  expect(await as(run, "POST", "/v1/templates", TEMPLATE)).toBe(201);
  for (const url of [
    "/v1/snapshots",
    "/v1/snapshots/base",
    "/v1/sandboxes",
    "/metrics",
    "/v1/profile",
  ]) {
    for (const token of [read, run, override]) expect(await as(token, "GET", url)).toBe(200);
    expect(await as("x".repeat(32), "GET", url)).toBe(401);
  }
  // A guest's memory is not for who may only look.
  expect(await as(read, "GET", "/v1/snapshots/base/export")).toBe(403);
  expect(await as(run, "GET", "/v1/snapshots/base/export")).toBe(200);
  const calls = [
    ["POST", "/v1/templates", { ...TEMPLATE, name: "other" }],
    ["POST", "/v1/sandboxes", { machine: MACHINE }],
    ["POST", "/v1/sandboxes/one/pause"],
    ["PUT", "/v1/sandboxes/one/timeout", { timeoutSeconds: 1 }],
    ["PUT", "/v1/snapshots/copy"],
    ["DELETE", "/v1/snapshots/base"],
    ["DELETE", "/v1/sandboxes/one"],
  ] as const;
  for (const [method, url, body] of calls) expect(await as(read, method, url, body)).toBe(403);
  const create = { id: "one", from: "base", override: OVERRIDE };
  expect(await as(run, "POST", "/v1/sandboxes", create)).toBe(403);
  expect(await as(override, "POST", "/v1/sandboxes", create)).toBe(201);
  expect(await as(run, "POST", "/v1/sandboxes/one/pause")).toBe(200);
  expect(await as(run, "POST", "/v1/sandboxes/one/resume", { override: OVERRIDE })).toBe(403);
  expect(await as(run, "POST", "/v1/sandboxes/one/resume", { override: null })).toBe(400);
  expect(await as(run, "POST", "/v1/sandboxes/one/resume", {})).toBe(200);
});

test("each GET is for who may only look, but for those that reach into a guest", async () => {
  const { as } = await asked();
  const gets = Object.values(AGENT_ROUTES).filter(({ method }) => method === "GET");
  // A new one has to be decided on: add it here only if it gives nothing of a guest away.
  const refused: string[] = [];
  for (const { url } of gets) {
    if (url === "/v1/events") continue;
    const place = url.replace(":port", "22").replaceAll(/:\w+/g, "none");
    if ((await as(TOKENS.read, "GET", place)) === 403) refused.push(url);
    expect(await as(TOKENS.run, "GET", place)).not.toBe(403);
  }
  expect(refused.toSorted()).toEqual([
    "/v1/sandboxes/:id/ports/:port",
    "/v1/snapshots/:name/export",
  ]);
  expect(gets.length).toBe(13);
});

test("where there is no token to override with, nobody does", async () => {
  const { read, run } = TOKENS;
  const { as } = await asked({ read, run });
  const body = { machine: MACHINE, override: OVERRIDE };
  expect(await as(run, "POST", "/v1/sandboxes", body)).toBe(403);
});

test("one token for two roles is refused at the start", async () => {
  const same = startNode({ tokens: { read: TOKENS.run, run: TOKENS.run } });
  await expect(same).rejects.toMatchObject({ code: "BAD_CONFIG" });
});
