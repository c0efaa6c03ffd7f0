import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startNode, TEMPLATE, until } from "./support.ts";

/** A log that keeps its lines. */
function keptLog() {
  const lines: string[] = [];
  const logger = pino({ level: "warn", base: null }, { write: (line) => void lines.push(line) });
  return { lines, logger };
}

test("what cannot be cleaned up is tried once a second, and done as soon as it can be", async ({
  skip,
}) => {
  const { lines, logger } = keptLog();
  const { directory, call } = await startNode({ logger });
  expect((await call("POST", "/v1/templates", TEMPLATE)).status).toBe(201);
  const { body } = await call("POST", "/v1/sandboxes", { id: "one", from: "base" });
  // A file system in its directory cannot be removed.
  const place = join(directory, "d/vms/one/held");
  mkdirSync(place);
  if (spawnSync("mount", ["-t", "tmpfs", "tmpfs", place]).status !== 0) skip("no mounts here");
  const free = () => void spawnSync("umount", ["-l", place]);
  onTestFinished(free);
  process.kill(body.pid, "SIGKILL");
  const tries = () => lines.filter((line) => line.includes("whose VMM ended")).length;
  await until("a first try", () => tries() > 0);
  const before = tries();
  await sleep(3000);
  expect(tries() - before).toBeGreaterThanOrEqual(1);
  expect(tries() - before).toBeLessThanOrEqual(3);
  free();
  const state = async () => (await call("GET", "/v1/sandboxes/one")).body.state;
  await until("it failed", async () => (await state()) === "failed");
});
