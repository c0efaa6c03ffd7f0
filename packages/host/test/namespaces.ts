/**
 * Networks for tests, in namespaces of their own: an outside world, and hosts in it. Nothing leaves
 * this machine, and nothing of its own network is touched.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import koffi from "koffi";
import { onTestFinished } from "vitest";

const CLONE_NEWNET = 0x4000_0000;
const setns = koffi.load(null).func("int setns(int, int)");

function ip(line: string): void {
  const { status, stderr } = spawnSync("ip", line.split(" "), { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${line}: ${stderr}`);
}

/** What is missing to make such networks; under CI it must be there. */
export function missingForNamespaces(): string | undefined {
  if (process.env["CI"] !== undefined) return undefined;
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const tool of ["ip", "nft", "nsenter"]) {
    if (spawnSync("which", [tool]).status !== 0) return `there is no ${tool}`;
  }
  return undefined;
}

function pathOf(namespace: string): string {
  return `/run/netns/${namespace}`;
}

function makeNamespace(word: string): string {
  const name = `ekt-${word}-${randomBytes(3).toString("hex")}`;
  ip(`netns add ${name}`);
  onTestFinished(() => void spawnSync("ip", ["netns", "delete", name]));
  ip(`-n ${name} link set lo up`);
  return name;
}

/** A public network with a gateway for each host: 93.184.<n>.1 is the world's end, .2 the host's. */
export function makeWorld(): string {
  return makeNamespace("world");
}

/** A host on the world's network; it forwards packets. */
export function makeHost(world: string, n: number): string {
  const name = makeNamespace(`host${n}`);
  ip(`link add up${n} netns ${world} type veth peer name eth0 netns ${name}`);
  ip(`-n ${world} addr add 93.184.${n}.1/24 dev up${n}`);
  ip(`-n ${world} link set up${n} up`);
  ip(`-n ${name} addr add 93.184.${n}.2/24 dev eth0`);
  ip(`-n ${name} link set eth0 up`);
  ip(`-n ${name} route add default via 93.184.${n}.1`);
  inside(name, ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
  return name;
}

/** Stands in for a guest: a namespace at the other end of what a slot calls its tap. */
export function makeGuest(slotNamespace: string): string {
  const guest = makeNamespace("guest");
  const slot = slotNamespace.slice(slotNamespace.lastIndexOf("/") + 1);
  ip(`-n ${slot} link del tap0`);
  ip(`link add tap0 netns ${slot} type veth peer name eth0 netns ${guest}`);
  ip(`-n ${slot} addr add 169.254.0.22/30 dev tap0`);
  ip(`-n ${slot} link set tap0 up`);
  ip(`-n ${guest} addr add 169.254.0.21/30 dev eth0`);
  ip(`-n ${guest} link set eth0 up`);
  ip(`-n ${guest} route add default via 169.254.0.22`);
  return guest;
}

/** Runs a command in a namespace; its output where it succeeded, undefined where it failed. */
export function inside(namespace: string, command: readonly string[]): string | undefined {
  const args = [`--net=${pathOf(namespace)}`, ...command];
  const { status, stdout } = spawnSync("nsenter", args, { encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}

/** From here on this process, its sockets and its children are on that host's network. */
export function enter(namespace: string): void {
  const fd = openSync(pathOf(namespace), "r");
  const back = openSync("/proc/thread-self/ns/net", "r");
  if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`setns: errno ${koffi.errno()}`);
  closeSync(fd);
  onTestFinished(() => {
    if (setns(back, CLONE_NEWNET) !== 0) throw new Error(`setns back: errno ${koffi.errno()}`);
    closeSync(back);
  });
}

/** A program in a namespace until the test ends; settles when it has printed something. */
export async function serve(namespace: string, script: string): Promise<void> {
  const child = spawn("nsenter", [`--net=${pathOf(namespace)}`, process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await new Promise((settle, reject) => {
    child.stdout.once("data", settle);
    child.once("exit", () => reject(new Error("the server ended")));
  });
}

/** Answers each connection to a port with who asked. */
export function tellPeer(port: number): string {
  return `require("net").createServer((s) => { s.on("error", () => {}); s.end(s.remoteAddress + "\\n"); })
    .listen(${port}, "0.0.0.0", () => console.log("ready"));`;
}

/** What a server says to somebody in a namespace; undefined where it is not reached in a second. */
export function ask(namespace: string, address: string, port: number): string | undefined {
  const script = `const s = require("net").connect(${port}, "${address}");
    s.setTimeout(1000, () => process.exit(1)); s.on("error", () => process.exit(1));
    s.on("data", (d) => { console.log(String(d).trim()); process.exit(0); });`;
  return inside(namespace, [process.execPath, "-e", script])?.trim();
}
