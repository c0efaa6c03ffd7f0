/** What Prometheus reads of a server, and what the recipes ask of it. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { contractDigest } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import {
  CASCADE_LAKE,
  contractBody,
  contractFrom,
  ICE_LAKE,
  profileNamed,
  useFleet,
  type Fleet,
} from "./support.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

function pageOf({ base, ca, token }: Fleet): Promise<string> {
  return new Promise((settle, fail) => {
    const headers = { authorization: `Bearer ${token}` };
    request(new URL("/metrics", base), { ca, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.once("end", () => settle(text));
    })
      .once("error", fail)
      .end();
  });
}

function promtool(args: readonly string[], input: string): void {
  const { error, status, stdout, stderr } = spawnSync("promtool", args, {
    input,
    encoding: "utf8",
  });
  if (error !== undefined) {
    if (process.env["CI"] === "true") throw error;
    process.stdout.write("promtool is not here: the server's figures are not checked\n");
    return;
  }
  if (status !== 0 || stdout + stderr !== "") throw new Error(stdout + stderr);
}

/** Names, and the values of labels that a query picks one by one. */
function missingIn(page: string, query: string): string[] {
  const names = [...query.matchAll(/\b(?:evenkeel|process)_[a-z_]+/g)].map(([name]) => name);
  const values = [
    ...query.matchAll(/(type|state|result|route|code)=~?"([a-zA-Z/_.|0-9]+)"/g),
  ].flatMap(([, label = "", value = ""]) => value.split("|").map((one) => `${label}="${one}"`));
  return [...names, ...values].filter((text) => !page.includes(text));
}

function queries(): string[] {
  const alerts = readFileSync(join(ROOT, "recipes/prometheus/alerts.yaml"), "utf8");
  const [, group = ""] = alerts.split("name: evenkeel-server");
  const rules = [...group.matchAll(/expr: (\|\n(?: {10}.*\n)+|.*)/g)].map(([, text = ""]) => text);
  const { panels } = JSON.parse(readFileSync(join(ROOT, "recipes/grafana/fleet.json"), "utf8")) as {
    panels: { targets: { expr: string }[] }[];
  };
  return [...rules, ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))];
}

describe("on PGlite", () => {
  const fleet = useFleet("pglite");

  test("every series is there before anything has happened, in promtool's eyes too", async () => {
    const page = await pageOf(fleet());
    promtool(["check", "metrics"], page);
    for (const line of [
      'evenkeel_nodes{state="lost"} 0',
      'evenkeel_placements_total{result="none"} 0',
      'evenkeel_placements_filtered_total{filter="verdict"} 0',
      'evenkeel_placements_obstacles_total{rule="feature"} 0',
      'evenkeel_fleet_events_total{type="rollout.halted"} 0',
      'evenkeel_http_errors_total{code="STORE_DOWN"} 0',
      'evenkeel_http_request_seconds_count{method="POST",route="/v1/placements"} 0',
    ]) {
      expect(page).toContain(`${line}\n`);
    }
    const asked = queries();
    expect(asked.length).toBe(15);
    for (const query of asked) expect([query, missingIn(page, query)]).toEqual([query, []]);
  });

  test("nobody reads it without a token, and what strangers ask for makes no series", async () => {
    const { anyone } = fleet();
    expect((await anyone("GET", "/metrics")).status).toBe(401);
    expect((await anyone("GET", "/no/such/route?evil=1")).status).toBe(404);
    expect(await pageOf(fleet())).not.toContain("no/such");
  });

  test("nodes, events and both kinds of placements are counted", async () => {
    const { operator, join: joinNode } = fleet();
    await joinNode(profileNamed(CASCADE_LAKE, "clx"));
    const icx = contractFrom(profileNamed(ICE_LAKE, "elsewhere"));
    const clx = contractFrom(profileNamed(CASCADE_LAKE, "clx"));
    for (const contract of [icx, clx]) {
      expect((await operator("PUT", "/v1/contracts", contractBody(contract))).status).toBe(200);
      const asked = { contract: contractDigest(contract) };
      expect((await operator("POST", "/v1/placements", asked)).status).toBe(200);
    }
    const page = await pageOf(fleet());
    promtool(["check", "metrics"], page);
    for (const line of [
      'evenkeel_nodes{state="ready"} 1',
      'evenkeel_placements_total{result="none"} 1',
      'evenkeel_placements_total{result="placed"} 1',
      'evenkeel_placements_filtered_total{filter="verdict"} 1',
      'evenkeel_placements_obstacles_total{rule="feature"} 1',
      'evenkeel_fleet_events_total{type="node.joined"} 1',
      'evenkeel_http_errors_total{code="UNAUTHORIZED"} 1',
      'evenkeel_http_request_seconds_count{method="POST",route="/v1/placements"} 2',
    ]) {
      expect(page).toContain(`${line}\n`);
    }
    // Looked at again, nothing is counted twice.
    expect(await pageOf(fleet())).toContain('evenkeel_fleet_events_total{type="node.joined"} 1\n');
  });
});

test("the events that are counted are those that are written", () => {
  const source = join(ROOT, "packages/server/src");
  const files = readdirSync(source, { recursive: true, encoding: "utf8" });
  const texts = files
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(source, name), "utf8"));
  const written = texts.flatMap((text) =>
    [...text.matchAll(/\baction: ([^,\n]*)/g)].flatMap(([, value = ""]) =>
      [...value.matchAll(/"([a-z0-9-]+\.[a-z]+)"/g)].map(([, name = ""]) => name),
    ),
  );
  const counted = readFileSync(join(source, "http/metrics.ts"), "utf8");
  const listed = [
    ...(/const EVENTS = \[([^\]]*)\]/.exec(counted)?.[1] ?? "").matchAll(/"([^"]+)"/g),
  ];
  expect(listed.map(([, name]) => name)).toEqual([...new Set(written)].toSorted());
});
