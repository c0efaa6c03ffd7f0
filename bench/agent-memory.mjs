/**
 * Prints the megabytes of an agent with 500 sandboxes: of this process, which is the built agent
 * and nothing else. Its VMMs are processes that do nothing, since 500 doubles would need more
 * memory than there is to measure.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { createAgent } from "../packages/agent/dist/index.js";
import { parseJson, readProfile } from "../packages/core/dist/index.js";
import { startTimeOf } from "../packages/host/dist/index.js";

// As `evenkeel agent` does.
setFlagsFromString("--semi-space-growth-factor=1");

const SANDBOXES = 500;
const PROFILE = new URL("../examples/bug-report-pool/xeon-silver-4314.json", import.meta.url);

async function start({ directory }) {
  const child = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
  const exited = new Promise((settle) => {
    child.once("exit", () => settle({ code: 0, signal: undefined }));
  });
  const console = join(directory, "console.log");
  writeFileSync(console, "guest booted\n");
  return {
    record: { directory, pid: child.pid, startTime: startTimeOf(child.pid) },
    console,
    exited,
    pause: async () => undefined,
    resume: async () => undefined,
    snapshot: async ({ state, memory }) => {
      writeFileSync(state, "state");
      writeFileSync(memory, "memory");
    },
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

const driver = { vmm: "firecracker", version: "1.14.1", boot: start, load: start };
const directory = realpathSync(mkdtempSync(join(tmpdir(), "ekb-")));
const [kernelsDir, imagesDir] = [join(directory, "kernels"), join(directory, "images")];
mkdirSync(join(kernelsDir, "6.1"), { recursive: true });
mkdirSync(imagesDir);
writeFileSync(join(kernelsDir, "6.1/vmlinux.bin"), "");
writeFileSync(join(imagesDir, "rootfs"), "a disk");
const profile = readProfile(parseJson(readFileSync(PROFILE, "utf8")), "node");
const agent = await createAgent({
  driver,
  profile,
  directory: join(directory, "d"),
  kernelsDir,
  imagesDir,
});

async function call(method, url, payload) {
  const { statusCode, body } = await agent.app.inject({ method, url, payload });
  if (statusCode >= 300) throw new Error(`${method} ${url}: ${statusCode} ${body}`);
}

try {
  const disks = [{ id: "rootfs", image: "rootfs", root: true }];
  await call("POST", "/v1/templates", {
    name: "base",
    machine: { kernel: "6.1", memoryMib: 16, disks },
    readiness: { kind: "delay", milliseconds: 0 },
  });
  const ids = Array.from({ length: SANDBOXES }, (_, i) => `s${i}`);
  for (const id of ids) await call("POST", "/v1/sandboxes", { id, from: "base" });
  for (let i = 0; i < 20; i++) await call("GET", "/v1/sandboxes");
  process.stdout.write(`${(process.memoryUsage.rss() / 1024 / 1024).toFixed(0)}\n`);
  for (const id of ids) await call("DELETE", `/v1/sandboxes/${id}`);
} finally {
  await agent.close();
  rmSync(directory, { recursive: true, force: true });
}
