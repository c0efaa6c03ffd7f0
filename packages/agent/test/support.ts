/**
 * Agents in directories of their own, on doubles of Firecracker. Where EVENKEEL_FIRECRACKER names a
 * real one, every test that asks nothing of the double in particular runs on that instead.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { installDouble, type DoubleSettings } from "@evenkeel/firecracker-double";
import { createFirecrackerDriver } from "@evenkeel/host";
import { onTestFinished } from "vitest";
import { createAgent, type Agent, type AgentOptions } from "../src/index.ts";
import { ICE_LAKE, loadProfile, makeImages, VERSION } from "./fixtures.ts";

export {
  CASCADE_LAKE,
  ICE_LAKE,
  loadProfile,
  MACHINE,
  ROOT,
  TEMPLATE,
  VERSION,
} from "./fixtures.ts";

export function temporaryDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "ek-")));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A file system of a given size, if this process may mount one. */
export function smallDisk(bytes: number): string | undefined {
  const directory = join(temporaryDirectory(), "small");
  mkdirSync(directory);
  const args = ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory];
  if (spawnSync("mount", args).status !== 0) return undefined;
  onTestFinished(() => void spawnSync("umount", ["-l", directory]));
  return directory;
}

export interface TestNode {
  readonly directory: string;
  readonly agent: Agent;
  readonly double: ReturnType<typeof installDouble>;
  /** Calls the API and returns the status and the body. */
  readonly call: Call;
  /** Ends the agent and starts another on the same directory, set up otherwise if told so. */
  readonly restart: (change?: NodeSetup) => Promise<TestNode>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- bodies are looked into by tests
type Answer = { readonly status: number; readonly body: any };
type Call = (method: Method, url: string, body?: unknown) => Promise<Answer>;
type Method = "GET" | "POST" | "PUT" | "DELETE";

function callerOf({ app }: Agent, token: string | undefined): Call {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return async (method, url, body) => {
    const payload = body === undefined ? {} : { payload: body as object };
    const response = await app.inject({ method, url, headers, ...payload });
    const text = response.body;
    return { status: response.statusCode, body: text === "" ? undefined : response.json() };
  };
}

const real = process.env["EVENKEEL_FIRECRACKER"];
if (real === undefined) {
  process.stdout.write("skipped on a real Firecracker: EVENKEEL_FIRECRACKER is not set\n");
}

function releaseOf(binary: string): string {
  const said = execFileSync(binary, ["--version"], { encoding: "utf8" });
  return /^Firecracker v(\S+)/.exec(said)?.[1] ?? "";
}

/** What a node of a test runs that asks for nothing else. */
export const RELEASE = real === undefined ? VERSION : releaseOf(real);

export interface NodeSetup extends Partial<Omit<AgentOptions, "profile" | "driver" | "others">> {
  /** The node's profile file; Ice Lake by default. */
  readonly profile?: string;
  /** Given, even empty, where a test needs the double itself. */
  readonly double?: Partial<DoubleSettings>;
  /** Further releases of doubles that the node has. */
  readonly releases?: readonly string[];
}

/** An agent in this process; it and all its microVMs end with the test. */
export async function startNode(setup: NodeSetup = {}): Promise<TestNode> {
  const {
    profile = ICE_LAKE,
    double: settings,
    directory = temporaryDirectory(),
    ...given
  } = setup;
  const { releases = [], ...rest } = given;
  const versions = join(directory, "fc");
  const double = installDouble(versions, { version: VERSION, ...settings });
  const driverOf = (version: string, binary: string) =>
    createFirecrackerDriver({ binary, version });
  const others = releases.map((version) =>
    driverOf(version, installDouble(versions, { ...settings, version }).path),
  );
  const needsDouble = settings !== undefined || setup.releases !== undefined;
  const agent = await createAgent({
    driver:
      real === undefined || needsDouble ? driverOf(VERSION, double.path) : driverOf(RELEASE, real),
    others,
    profile: loadProfile(profile),
    directory: join(directory, "d"),
    ...makeImages(directory),
    ...rest,
  });
  const call = callerOf(agent, setup.tokens?.override ?? setup.tokens?.run);
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await agent.close();
  };
  onTestFinished(async () => {
    if (open) await killAll(call);
    await close();
  });
  return {
    directory,
    agent,
    double,
    call,
    restart: async (change = {}) => {
      await close();
      return startNode({ ...setup, ...change, directory });
    },
  };
}

async function killAll(call: Call): Promise<void> {
  const { body } = await call("GET", "/v1/sandboxes");
  for (const { id } of body.sandboxes) await call("DELETE", `/v1/sandboxes/${id}`);
}

/** Whether a process runs: one that ended and was not waited for yet has no executable. */
export function runs(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`);
}

/** Waits until something is so; fails after ten seconds. */
export async function until(what: string, is: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await is())) {
    if (Date.now() > deadline) throw new Error(`it never came to pass: ${what}`);
    await sleep(20);
  }
}
