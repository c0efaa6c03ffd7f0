/** What a guest can make the agent do by printing: bounded, whatever it prints and how fast. */
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { allowance } from "../src/sandboxes/allowance.ts";
import { crashOf, readConsole } from "../src/sandboxes/console.ts";
import { MACHINE, runs, startNode, temporaryDirectory, until } from "./support.ts";

const MIB = 1024 * 1024;

/** Prefixes that made one pattern or another go over the text once for each character. */
const NASTY = ["a", "[", "a[", "a[1", "[1] ", "traps: ", " trap invalid opcode ip:", " ", "exit "];

test.each(NASTY)("a mebibyte of %j is searched at once", async (unit) => {
  const path = join(temporaryDirectory(), "console");
  for (const tail of ["", " trap invalid opcode ip:", " 132", " Illegal instruction"]) {
    writeFileSync(path, `${unit.repeat(MIB / unit.length)}${tail}\n`);
    const start = performance.now();
    const { offset } = await readConsole(path, 0);
    expect(performance.now() - start).toBeLessThan(500);
    expect(offset).toBe(statSync(path).size);
  }
});

test("a line of any length takes time in proportion", () => {
  for (const unit of NASTY) {
    const line = `${unit.repeat(MIB / unit.length)} trap invalid opcode ip:1 132`;
    const start = performance.now();
    crashOf(line);
    expect(performance.now() - start).toBeLessThan(500);
  }
});

test("a crash is heard behind a program's unfinished line", () => {
  const line = `${"x".repeat(5000)}[    1.5] traps: node[42] trap invalid opcode ip:7f00 sp:1 error:0`;
  expect(crashOf(line)).toMatchObject({ process: "node", instructionPointer: "0x7f00" });
});

test("what was printed too fast is passed over, its end is heard", async () => {
  const path = join(temporaryDirectory(), "console");
  writeFileSync(path, `${"noise\n".repeat(100_000)}sh: Illegal instruction\n`);
  const { crashes, skipped, offset } = await readConsole(path, 0);
  expect(crashes).toMatchObject([{ line: "sh: Illegal instruction" }]);
  expect(skipped).toBeGreaterThan(500_000);
  expect(await readConsole(path, offset)).toEqual({ crashes: [], offset, skipped: 0 });
});

test("crashes beyond a burst are told now and then", () => {
  const bucket = allowance(3, 1000);
  const at = [0, 1, 2, 3, 4, 999, 1000, 1001, 2500, 2600, 50_000, 50_000, 50_000, 50_000];
  expect(at.map((now) => Number(bucket.take(now))).join("")).toBe("11100010101110");
});

test("a console and a log that grow without end are cut, while calls are answered", async () => {
  const node = await startNode();
  await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const files = ["console.log", "firecracker.log", "stderr.log"].map((name) =>
    join(node.directory, "d/vms/one", name),
  );
  const chunk = Buffer.alloc(MIB, "traps: x[1] trap invalid opcode ip:1\n");
  const waits: number[] = [];
  for (let round = 0; round < 40; round++) {
    for (const file of files) appendFileSync(file, chunk);
    const start = performance.now();
    await node.call("GET", "/v1/sandboxes");
    waits.push(performance.now() - start);
    await sleep(10);
  }
  await until("all were cut", () => files.every((file) => statSync(file).size < 5 * MIB));
  expect(Math.max(...waits)).toBeLessThan(100);
  const { body } = await node.agent.app.inject("/metrics");
  const crashes = Number(/events_total\{type="guest.crashed"\} (\d+)/.exec(body)?.[1] ?? 0);
  expect(crashes).toBeLessThanOrEqual(11);
}, 20_000);

test("a guest that prints without end while its template is built does not fill the disk", async () => {
  const node = await startNode({ double: { console: ["hello"] } });
  const built = node.call("POST", "/v1/templates", {
    name: "base",
    machine: MACHINE,
    readiness: { kind: "serial", text: "ready at last", timeoutSeconds: 20 },
  });
  const vms = join(node.directory, "d/vms");
  const pathOf = () => join(vms, readdirSync(vms)[0] ?? "", "console.log");
  await until("it boots", () => existsSync(pathOf()));
  const path = pathOf();
  for (let i = 0; i < 30; i++) {
    appendFileSync(path, Buffer.alloc(MIB, "noise\n"));
    await sleep(10);
  }
  await until("it was cut", () => statSync(path).size < 5 * MIB);
  appendFileSync(path, "ready at last\n");
  expect((await built).status).toBe(201);
}, 30_000);

test("a VMM that writes more than any guest can print is ended, and the sandbox says why", async () => {
  const node = await startNode();
  const { body } = await node.call("POST", "/v1/sandboxes", { id: "one", machine: MACHINE });
  const path = join(node.directory, "d/vms/one/console.log");
  const flood = spawn("sh", ["-c", 'exec yes "$0" >> "$1"', "x".repeat(4000), path]);
  onTestFinished(() => void flood.kill("SIGKILL"));
  const state = async () => (await node.call("GET", "/v1/sandboxes/one")).body;
  await until("it failed", async () => (await state()).state === "failed");
  expect((await state()).failure.message).toMatch(/MiB per second to .*console\.log/);
  await until("its VMM is gone", () => !runs(body.pid));
}, 30_000);
