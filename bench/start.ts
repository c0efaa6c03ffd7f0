/** How much starting costs: `npx tsx --conditions=@evenkeel/source bench/start.ts`, after a build. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { installDouble } from "@evenkeel/firecracker-double";
import { machine, measureInTurn, median } from "./measure.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const pool = join(root, "examples/bug-report-pool");
const [clx, icx] = ["4216", "4314"].map((name) => join(pool, `xeon-silver-${name}.json`));
const RUNS = 15;
const GUARDS = 7;

interface Way {
  readonly name: string;
  readonly command: readonly string[];
  /** What `-e 0` is run with. */
  readonly node: string;
}

const built = join(root, ".build");
const ways: readonly Way[] = [
  ["the checkout", join(root, "packages/cli/bin/evenkeel.js")],
  ["the npm package", join(built, "npm/bin/evenkeel.js")],
].map(([name = "", file = ""]) => ({
  name,
  command: [process.execPath, file],
  node: process.execPath,
}));
/** Of the version that is in the executable. */
const inside = process.env["EVENKEEL_NODE"] ?? process.execPath;
const executable: Way = {
  name: `the executable (${execFileSync(inside, ["--version"]).toString().trim()})`,
  command: [join(built, "evenkeel-linux-x64")],
  node: inside,
};

function row(what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(58)} ${figure}\n`);
}

function ratio(way: Way, args: readonly string[]): number {
  const commands = [
    [...way.command, ...args],
    [way.node, "-e", "0"],
  ];
  const [own, empty] = measureInTurn(commands, RUNS);
  return (own?.cpuSeconds ?? 0) / (empty?.cpuSeconds ?? 0);
}

interface Memory {
  readonly rss: number;
  /** What is no file's, and so no other process's: each guard costs it anew. */
  readonly own: number;
}

/** Of `/proc/PID/smaps_rollup`, in MiB. */
function memory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const at = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(text)?.[1]) / 1024;
  return { rss: at("Rss"), own: at("Anonymous") };
}

const LISTEN = "require('node:http').createServer(() => {}).listen(process.argv[1])";

/** Of a Node.js that does nothing but hold a socket: the floor. */
async function emptyGuard(node: string, directory: string): Promise<Memory> {
  const child = spawn(node, ["-e", LISTEN, join(directory, "empty.sock")], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await sleep(1500);
  const used = memory(child.pid ?? 0);
  child.kill("SIGKILL");
  await ended;
  return used;
}

/** The process whose arguments name this directory, after a guard's program. */
function guardOf(directory: string): number {
  const pids = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  const found = pids.find((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return words.includes("guard") && words.includes(`\0${directory}/`);
    } catch {
      return false;
    }
  });
  return Number(found);
}

async function guard(directory: string, way: Way) {
  const firecracker = installDouble(directory, { version: "1.14.1" }).path;
  const at = join(directory, "launcher");
  const [program = "", ...first] = way.command;
  const options = ["--firecracker", firecracker, "--at", at, "--node", icx ?? ""];
  execFileSync(program, [
    ...first,
    "launcher",
    "install",
    ...options,
    "--cpu-template",
    "T2CL",
    "--guard",
  ]);
  const times: { bare: number; guarded: number }[] = [];
  let used: Memory = { rss: 0, own: 0 };
  for (let i = 0; i < GUARDS; i++) {
    const bare = await socketTime(firecracker, join(directory, "bare.sock"));
    const guarded = await socketTime(at, join(directory, "guarded.sock"), async () => {
      await sleep(1000);
      used = memory(guardOf(directory));
    });
    times.push({ bare, guarded });
  }
  return { more: median(times.map(({ bare, guarded }) => guarded - bare)), ...used };
}

/** Milliseconds until a process's socket is there. */
async function socketTime(command: string, socket: string, then = async () => {}): Promise<number> {
  const start = performance.now();
  const child = spawn(command, ["--api-sock", socket], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  while (!existsSync(socket)) await sleep(0.5);
  const time = performance.now() - start;
  await then();
  child.kill("SIGKILL");
  await ended;
  rmSync(socket, { force: true });
  await sleep(100);
  return time;
}

row("machine", machine());
row("date", new Date().toISOString().slice(0, 10));
for (const way of [...ways, executable]) {
  if (!existsSync(way.command.at(-1) ?? "")) continue;
  row(`${way.name}: CPU time by that of node -e 0`, "");
  row("  --help (limit 1.3)", ratio(way, ["--help"]).toFixed(2));
  row("  plan of two files (limit 2.5)", ratio(way, ["plan", clx ?? "", icx ?? ""]).toFixed(2));
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-start-"));
  try {
    const empty = await emptyGuard(way.node, directory);
    const { more, rss, own } = await guard(directory, way);
    row("  a guard's socket, after Firecracker's (limit 60 ms)", `${more.toFixed(0)} ms`);
    const shown = (used: Memory) => `${used.rss.toFixed(1)} MiB, ${used.own.toFixed(1)} its own`;
    row("  a guard, resident (limit 30 MiB)", shown({ rss, own }));
    row("  Node.js with a socket and nothing else", shown(empty));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
