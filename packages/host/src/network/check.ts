/** What guest networks require of a host, checked before anything is changed. */
import { readFileSync } from "node:fs";
import { formatCidr, overlaps, parseCidr } from "./addresses.ts";
import { linkPrefix, type HostNetwork } from "./host-rules.ts";
import { runTool } from "./run.ts";

const TOOLS = [
  { command: ["ip", "-V"], name: "ip", from: "iproute2" },
  { command: ["nft", "--version"], name: "nft", from: "nftables" },
  { command: ["nsenter", "--version"], name: "nsenter", from: "util-linux" },
] as const;

async function toolsMissing(): Promise<string[]> {
  const missing = TOOLS.map(async ({ command, name, from }) => {
    try {
      await runTool(command);
      return [];
    } catch {
      return [`\`${name}\` is missing: apt-get install ${from}`];
    }
  });
  return (await Promise.all(missing)).flat();
}

function forwardingMissing(): string[] {
  try {
    if (readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() === "1") return [];
  } catch {
    // Treated as off.
  }
  return ["the host does not forward packets: sysctl -w net.ipv4.ip_forward=1"];
}

interface Route {
  readonly dst?: string;
  readonly dev?: string;
}

/** Other routes of the host that overlap the pool. */
async function routesInTheWay({ pool, tag }: HostNetwork): Promise<string[]> {
  const routes = JSON.parse(
    (await runTool(["ip", "-4", "-json", "route", "show", "table", "main"])) || "[]",
  ) as Route[];
  const other = routes.find(({ dst = "", dev = "" }) => {
    const network = parseCidr(dst);
    if (network === undefined || dev.startsWith(linkPrefix(tag))) return false;
    return overlaps(network, pool);
  });
  if (other === undefined) return [];
  return [
    `${formatCidr(pool)} overlaps the host's own route to ${other.dst} by ${other.dev}: choose another network pool`,
  ];
}

/** nftables in the kernel, with all that the rules use; nothing is changed by `--check`. */
async function rulesRefused(rules: string): Promise<string[]> {
  try {
    await runTool(["nft", "--check", "-f", "-"], rules);
    return [];
  } catch (error) {
    return [`the kernel rejects the rules (modules nf_tables, nft_ct, nft_nat): ${String(error)}`];
  }
}

/** Everything that is missing, and how to get it. */
export async function networkMissing(network: HostNetwork, rules: string): Promise<string[]> {
  const tools = await toolsMissing();
  if (tools.length > 0) return [...tools, ...forwardingMissing()];
  const routes = await routesInTheWay(network);
  return [...forwardingMissing(), ...routes, ...(await rulesRefused(rules))];
}
