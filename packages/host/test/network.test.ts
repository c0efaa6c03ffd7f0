/** Guests' networks: addresses, rules, and what the kernel makes of them. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { HostError } from "../src/index.ts";
import {
  contains,
  formatCidr,
  parseAddress,
  parseCidr,
  slotAddresses,
} from "../src/network/addresses.ts";
import { networkMissing } from "../src/network/check.ts";
import { checkEgress, slotRules, type EgressPolicy } from "../src/network/egress.ts";
import { hostRules } from "../src/network/host-rules.ts";
import {
  makeNetwork,
  networksThere,
  removeNetwork,
  setEgress,
  setHostRules,
} from "../src/network/namespaces.ts";
import {
  ask,
  enter,
  inside,
  makeGuest,
  makeHost,
  makeWorld,
  missingForNamespaces,
  serve,
  tellPeer,
} from "./namespaces.ts";

const CIDR = "10.214.0.0/16";
const range = parseCidr(CIDR);
if (range === undefined) throw new Error("the pool is a network");
const SETTINGS = { dns: undefined, open: [] };
const POOL = { tag: "test", pool: range, ...SETTINGS };
const ALLOW: EgressPolicy = { default: "allow", dns: true, rules: [] };
const DENY: EgressPolicy = { default: "deny", dns: false, rules: [] };

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof HostError ? error.code : String(error);
  }
}

test("networks are read strictly, since a misread one opens what was meant to be closed", () => {
  expect(parseAddress("93.184.216.34")).toBe(1_572_395_042);
  for (const text of ["", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", "0x1.2.3.4", "::1"]) {
    expect([text, parseAddress(text)]).toEqual([text, undefined]);
  }
  for (const text of ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/8/8"]) {
    expect([text, parseCidr(text)]).toEqual([text, undefined]);
  }
  const whole = { first: 0, last: 0xffff_ffff, prefix: 0 };
  expect(parseCidr("0.0.0.0/0")).toEqual(whole);
  expect([contains(whole, range), contains(range, whole)]).toEqual([true, false]);
});

test("each slot has two addresses of the pool, and the pool has an end", () => {
  expect(slotAddresses(range, 0)).toEqual({ host: "10.214.0.0", slot: "10.214.0.1" });
  expect(slotAddresses(range, 200)).toEqual({ host: "10.214.1.144", slot: "10.214.1.145" });
  expect(codeOf(() => slotAddresses(range, 32_768))).toBe("NO_SLOT");
  expect(formatCidr(range)).toBe(CIDR);
});

test("a rule that opens a special network needs the operator, and nonsense is refused", () => {
  const rule = { action: "allow", cidr: "169.254.169.254", protocol: "any", ports: [] } as const;
  const policy = (change: object) => ({ ...DENY, rules: [{ ...rule, ...change }] });
  const check = (change: object, open: string[] = []) =>
    codeOf(() => checkEgress(policy(change), { dns: undefined, open }));
  expect(check({})).toBe("BAD_EGRESS");
  expect(check({}, ["169.254.169.254/32"])).toBeUndefined();
  expect(check({ cidr: "10.1.0.0/16" }, ["10.0.0.0/8"])).toBeUndefined();
  expect(check({ cidr: "10.0.0.0/8" }, ["10.1.0.0/16"])).toBe("BAD_EGRESS");
  expect(check({ action: "deny" })).toBeUndefined();
  for (const ports of [["0"], ["65536"], ["9-8"], ["80; accept"], ["80\naccept"], [""]]) {
    expect([ports, check({ cidr: "1.1.1.1", protocol: "tcp", ports })]).toEqual([
      ports,
      "BAD_EGRESS",
    ]);
  }
  expect(check({ cidr: "1.1.1.1", ports: ["80"] })).toBe("BAD_EGRESS");
  expect(check({ cidr: "1.1.1.1 } accept" })).toBe("BAD_EGRESS");
});

test("the kernel takes the rules of every policy", ({ skip }) => {
  const missing = missingForNamespaces();
  if (missing !== undefined) skip(missing);
  const addresses = slotAddresses(range, 7);
  const rules: EgressPolicy["rules"] = [
    { action: "allow", cidr: "93.184.0.0/16", protocol: "tcp", ports: ["80", "8000-8100"] },
    { action: "deny", cidr: "0.0.0.0/0", protocol: "udp", ports: [] },
    { action: "allow", cidr: "1.1.1.1", protocol: "icmp", ports: [] },
  ];
  const settings = { dns: "10.0.0.2", open: ["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8"] };
  const texts = [
    slotRules(addresses, ALLOW, SETTINGS),
    slotRules(addresses, { default: "deny", dns: true, rules }, settings),
    hostRules({ tag: "test", pool: range, dns: undefined }),
    hostRules({ tag: "test", pool: range, dns: "10.0.0.2" }),
  ];
  for (const text of texts) {
    const { status, stderr } = spawnSync("nft", ["--check", "-f", "-"], {
      input: text,
      encoding: "utf8",
    });
    expect([stderr, status]).toEqual(["", 0]);
  }
});

/** A host in a world with a server on port 80 of 93.184.1.1, and this process on that host. */
async function startHost(): Promise<{ world: string; host: string }> {
  const world = makeWorld();
  const host = makeHost(world, 1);
  await serve(world, tellPeer(80));
  await serve(world, tellPeer(81));
  enter(host);
  await setHostRules({ ...POOL });
  return { world, host };
}

async function startGuest(slot: number, policy: EgressPolicy) {
  const network = await makeNetwork(POOL, slot, 70_000 + slot, policy);
  onTestFinished(() => removeNetwork(POOL.tag, slot));
  return { network, guest: makeGuest(network.namespace) };
}

test("guests reach the world through NAT, but neither each other nor the host nor metadata", async ({
  skip,
}) => {
  const missing = missingForNamespaces();
  if (missing !== undefined) skip(missing);
  const { world, host } = await startHost();
  await serve(host, tellPeer(22));
  // What a cloud's metadata service is to a host.
  inside(world, ["ip", "addr", "add", "169.254.169.254/32", "dev", "lo"]);
  const one = await startGuest(1, ALLOW);
  const two = await startGuest(2, ALLOW);
  await serve(two.guest, tellPeer(80));

  expect(ask(one.guest, "93.184.1.1", 80)).toBe("93.184.1.2");
  expect(ask(two.guest, "93.184.1.1", 80)).toBe("93.184.1.2");
  expect(ask(host, "169.254.169.254", 80)).toBe("93.184.1.2");
  expect(ask(one.guest, "169.254.169.254", 80)).toBeUndefined();
  // The host, by each of its addresses, and the gateway that is in the guest's own namespace.
  const { host: near, slot } = two.network.addresses;
  for (const address of ["93.184.1.2", one.network.addresses.host, near, "169.254.0.22"]) {
    expect([address, ask(one.guest, address, 22)]).toEqual([address, undefined]);
  }
  for (const address of [slot, "169.254.0.21"]) {
    expect([address, ask(one.guest, address, 80)]).toEqual([address, undefined]);
  }
  // The host reaches a guest's port, which is how ports are forwarded; the world does not.
  expect(ask(host, slot, 80)).toBe(near);
  inside(world, ["ip", "route", "add", CIDR, "via", "93.184.1.2"]);
  expect(ask(world, slot, 80)).toBeUndefined();
  // Nor does a VMM that was taken over send past its guest's rules.
  const { namespace } = one.network;
  const own = namespace.slice(namespace.lastIndexOf("/") + 1);
  expect(ask(own, "93.184.1.1", 80)).toBeUndefined();
  expect(ask(own, slot, 80)).toBeUndefined();
  // Under another address than its own, a guest is nobody.
  inside(one.guest, ["ip", "addr", "add", "93.184.1.9/32", "dev", "eth0"]);
  inside(one.guest, [
    "ip",
    "route",
    "replace",
    "default",
    "via",
    "169.254.0.22",
    "src",
    "93.184.1.9",
  ]);
  expect(ask(one.guest, "93.184.1.1", 80)).toBeUndefined();
});

const KEEP_TALKING = `require("net").createServer((s) => {
  s.on("error", () => {}); const t = setInterval(() => s.write("tick\\n"), 50); s.on("close", () => clearInterval(t));
}).listen(82, "0.0.0.0", () => console.log("ready"));`;

test("egress is denied, allowed by list, and changed while connections are open", async ({
  skip,
}) => {
  const missing = missingForNamespaces();
  if (missing !== undefined) skip(missing);
  const { world } = await startHost();
  await serve(world, KEEP_TALKING);
  const { guest } = await startGuest(3, DENY);
  expect(ask(guest, "93.184.1.1", 80)).toBeUndefined();
  const list: EgressPolicy = {
    ...DENY,
    rules: [{ action: "allow", cidr: "93.184.1.1", protocol: "tcp", ports: ["80", "82"] }],
  };
  await setEgress(POOL, 3, list);
  expect(ask(guest, "93.184.1.1", 80)).toBe("93.184.1.2");
  expect(ask(guest, "93.184.1.1", 81)).toBeUndefined();

  // A stream from outside to the guest, to which the guest itself sends nothing but ACKs.
  await serve(
    guest,
    `let n = 0, last = 0;
    require("net").connect(82, "93.184.1.1").on("data", () => { n += 1; if (n === 3) console.log("on"); });
    require("net").createServer((s) => s.end(String(n))).listen(90, "0.0.0.0");`,
  );
  const heard = () => Number(ask(guest, "169.254.0.21", 90));
  const before = heard();
  await setEgress(POOL, 3, list);
  await new Promise((settle) => setTimeout(settle, 300));
  expect(heard()).toBeGreaterThan(before);
  await setEgress(POOL, 3, DENY);
  const cut = heard();
  await new Promise((settle) => setTimeout(settle, 500));
  expect(heard() - cut).toBeLessThanOrEqual(1);
});

const RESOLVER = `const s = require("dgram").createSocket("udp4");
  s.on("message", (m, r) => s.send("answer to " + m, r.port, r.address)).bind(53, "93.184.1.1", () => console.log("ready"));`;

function askResolver(namespace: string): string | undefined {
  const script = `const s = require("dgram").createSocket("udp4"); s.send("name", 53, "169.254.0.22");
    setTimeout(() => process.exit(1), 700);
    s.on("message", (m) => { console.log(String(m)); process.exit(0); });`;
  return inside(namespace, [process.execPath, "-e", script])?.trim();
}

test("the gateway is the resolver, wherever the operator's is, for who may ask", async ({
  skip,
}) => {
  const missing = missingForNamespaces();
  if (missing !== undefined) skip(missing);
  const { world } = await startHost();
  await serve(world, RESOLVER);
  const pool = { ...POOL, dns: "93.184.1.1" };
  const network = await makeNetwork(pool, 4, 70_004, { ...DENY, dns: true });
  onTestFinished(() => removeNetwork(POOL.tag, 4));
  const guest = makeGuest(network.namespace);
  expect(askResolver(guest)).toBe("answer to name");
  expect(ask(guest, "93.184.1.1", 80)).toBeUndefined();
  await setEgress(pool, 4, DENY);
  expect(askResolver(guest)).toBeUndefined();
});

test("what a network needs is named before anything is made; what was left is found and removed", async ({
  skip,
}) => {
  const missing = missingForNamespaces();
  if (missing !== undefined) skip(missing);
  const { host } = await startHost();
  const rules = slotRules(slotAddresses(range, 0), ALLOW, SETTINGS);
  expect(await networkMissing(POOL, rules)).toEqual([]);
  inside(host, ["sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"]);
  inside(host, ["ip", "route", "add", "10.0.0.0/8", "via", "93.184.1.1"]);
  expect((await networkMissing(POOL, rules)).join()).toMatch(
    /ip_forward=1.*10\.0\.0\.0\/8 by eth0/s,
  );

  const { namespace } = await makeNetwork(POOL, 5, 70_005, ALLOW);
  expect(networksThere(POOL.tag)).toContain(5);
  await expect(makeNetwork(POOL, 5, 70_005, ALLOW)).rejects.toThrow("File exists");
  expect(networksThere(POOL.tag)).toContain(5);
  await removeNetwork(POOL.tag, 5);
  await removeNetwork(POOL.tag, 5);
  expect([existsSync(namespace), networksThere(POOL.tag)]).toEqual([false, []]);
});
