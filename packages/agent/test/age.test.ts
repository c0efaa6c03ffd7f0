/** A machine that changes while the agent runs. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { MACHINE, startNode, TEMPLATE, until } from "./support.ts";

const OLD = "kernel 6.1.0, microcode 0x1";
const NEW = "kernel 6.1.0, microcode 0x2";

test("a microcode reload makes verdicts unknown until the profile holds again", async () => {
  let machine = OLD;
  let probed: (changes: readonly string[]) => void = () => undefined;
  const changes = new Promise<readonly string[]>((settle) => (probed = settle));
  const { call } = await startNode({
    machine: () => machine,
    recheck: () => changes,
  });
  await call("POST", "/v1/templates", TEMPLATE);
  expect((await call("POST", "/v1/sandboxes", { from: "base" })).status).toBe(201);
  machine = NEW;
  await sleep(1100);
  const { status, body } = await call("POST", "/v1/sandboxes", { from: "base" });
  expect([status, body.error.code, body.error.verdict]).toEqual([409, "RESUME_REFUSED", "unknown"]);
  expect(JSON.stringify((await call("GET", "/v1/profile")).body.incomplete)).toContain(NEW);
  probed([]);
  await until(
    "it was confirmed",
    async () => (await call("POST", "/v1/sandboxes", { from: "base" })).status === 201,
  );
});

test("a change that matters keeps verdicts unknown, and what is snapshotted doubtful", async () => {
  let machine = OLD;
  const { call } = await startNode({
    machine: () => machine,
    recheck: async () => ["MSR 10AH: lost RRSBA"],
  });
  await call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  machine = NEW;
  await sleep(1300);
  const { body } = await call("POST", "/v1/sandboxes/one/pause");
  const contract = (await call("GET", `/v1/snapshots/${body.snapshot}/contract`)).body;
  expect(contract.incomplete.join()).toContain("RRSBA");
  const resumed = await call("POST", "/v1/sandboxes/one/resume");
  expect([resumed.status, resumed.body.error.verdict]).toEqual([409, "unknown"]);
});
