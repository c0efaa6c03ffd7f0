/**
 * What a guest may reach, as nftables rules in its slot's namespace. Every packet is judged by the
 * current rules, replies by their connection: a change cuts connections that it forbids. Pure: text
 * in, text out.
 */
import {
  contains,
  formatCidr,
  GUEST_NETWORK,
  parseCidr,
  SPECIAL_NETWORKS,
  type SlotAddresses,
} from "./addresses.ts";
import { HostError } from "../errors.ts";

interface EgressRule {
  readonly action: "allow" | "deny";
  /** `203.0.113.0/24`, or one address. */
  readonly cidr: string;
  readonly protocol: "any" | "tcp" | "udp" | "icmp";
  /** `443`, `8000-8100`; all where empty. For tcp and udp. */
  readonly ports: readonly string[];
}

export interface EgressPolicy {
  /** What applies if no rule matches. */
  readonly default: "allow" | "deny";
  /** Whether the guest may query the operator's resolver; DNS names can carry data out. */
  readonly dns: boolean;
  /** The first matching rule decides. */
  readonly rules: readonly EgressRule[];
}

/** The operator's settings for all guest networks. */
export interface NetworkSettings {
  /** The resolver behind every guest's gateway address; none where undefined. */
  readonly dns: string | undefined;
  /** Special networks that rules may open, CIDRs. */
  readonly open: readonly string[];
}

/** How many connections a guest may keep; all guests share the host's table. */
const CONNECTIONS = 4096;

function cidrOf(text: string) {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new HostError("BAD_EGRESS", `"${text}" is not an IPv4 network`);
  return cidr;
}

function checkPorts({ ports, protocol, cidr }: EgressRule): void {
  if (ports.length > 0 && protocol !== "tcp" && protocol !== "udp") {
    throw new HostError("BAD_EGRESS", `${cidr}: ports are those of tcp or udp`);
  }
  for (const text of ports) {
    const [from = 0, to = from] = text.split("-").map(Number);
    if (!/^\d{1,5}(?:-\d{1,5})?$/.test(text) || from < 1 || from > to || to > 65_535) {
      throw new HostError("BAD_EGRESS", `"${text}" is neither a port nor a port range`);
    }
  }
}

/** Throws BAD_EGRESS for an invalid rule, or one that opens what the operator keeps closed. */
export function checkEgress({ rules }: EgressPolicy, { open }: NetworkSettings): void {
  const opened = open.map(cidrOf);
  for (const rule of rules) {
    checkPorts(rule);
    const cidr = cidrOf(rule.cidr);
    const closed = SPECIAL_NETWORKS.map(cidrOf).some((special) => contains(special, cidr));
    if (rule.action === "deny" || !closed) continue;
    if (opened.some((one) => contains(one, cidr))) continue;
    const message = `${rule.cidr} is in a special network that the operator has not allowed`;
    throw new HostError("BAD_EGRESS", message);
  }
}

type Direction = "out" | "in";

/** A rule for outgoing packets, or for the incoming replies to them. */
function lines(rule: EgressRule, direction: Direction): string[] {
  const address = direction === "out" ? "ip daddr" : "ip saddr";
  const network = formatCidr(cidrOf(rule.cidr));
  const verdict = rule.action === "allow" ? "accept" : "drop";
  const match = `${address} ${network}`;
  if (rule.protocol === "any") return [`${match} ${verdict}`];
  if (rule.protocol === "icmp") return [`${match} meta l4proto icmp ${verdict}`];
  if (rule.ports.length === 0) return [`${match} meta l4proto ${rule.protocol} ${verdict}`];
  const port = direction === "out" ? "dport" : "sport";
  return rule.ports.map((one) => `${match} ${rule.protocol} ${port} ${one} ${verdict}`);
}

function policyChain(
  policy: EgressPolicy,
  { dns, open }: NetworkSettings,
  direction: Direction,
): string[] {
  const address = direction === "out" ? "ip daddr" : "ip saddr";
  const port = direction === "out" ? "dport" : "sport";
  const resolver =
    policy.dns && dns !== undefined
      ? ["udp", "tcp"].map((protocol) => `${address} ${dns} ${protocol} ${port} 53 accept`)
      : [];
  const except = open.length === 0 ? "" : `${address} != { ${merged(open).join(", ")} } `;
  return [
    `chain ${direction} {`,
    ...resolver,
    `${address} { ${SPECIAL_NETWORKS.join(", ")} } ${except}drop`,
    ...policy.rules.flatMap((rule) => lines(rule, direction)),
    // Special networks need an explicit rule even if the operator has opened them.
    `${address} { ${SPECIAL_NETWORKS.join(", ")} } drop`,
    policy.default === "allow" ? "accept" : "drop",
    "}",
  ];
}

/** Without those contained in another: nft refuses sets with overlapping elements. */
function merged(cidrs: readonly string[]): string[] {
  const all = cidrs.map(cidrOf);
  return all
    .filter(
      (one, i) =>
        !all.some((other, j) => contains(other, one) && (other.prefix < one.prefix || j < i)),
    )
    .map(formatCidr);
}

/** Replaces all rules of a namespace at once: an input of `nft -f`. Throws BAD_EGRESS. */
export function slotRules(
  { host, slot }: SlotAddresses,
  policy: EgressPolicy,
  settings: NetworkSettings,
): string {
  checkEgress(policy, settings);
  const { tap, address, gateway } = GUEST_NETWORK;
  const { dns } = settings;
  const resolver = ["udp", "tcp"].map(
    (protocol) => `iifname "${tap}" ip daddr ${gateway} ${protocol} dport 53 dnat ip to ${dns}`,
  );
  return [
    "table inet guest",
    "delete table inet guest",
    "table inet guest {",
    ...policyChain(policy, settings, "out"),
    ...policyChain(policy, settings, "in"),
    "chain forward {",
    "type filter hook forward priority filter; policy drop;",
    "ct state invalid drop",
    // The guest's replies on connections that the host opened to it.
    `iifname "${tap}" ct direction reply ct state established,related accept`,
    // Packets with a source address other than the guest's own.
    `iifname "${tap}" ip saddr != ${address} drop`,
    `iifname "${tap}" ct state new ct count over ${CONNECTIONS} drop`,
    `iifname "${tap}" oifname "veth0" jump out`,
    // Errors about its packets may come from any router on the way.
    `iifname "veth0" ct state related meta l4proto icmp accept`,
    `iifname "veth0" ct direction reply ct state established,related jump in`,
    // The host forwards ports; nothing else can connect.
    `iifname "veth0" oifname "${tap}" ip saddr ${host} meta l4proto tcp ct status dnat accept`,
    "}",
    "chain input {",
    "type filter hook input priority filter; policy drop;",
    `iifname "lo" accept`,
    `meta l4proto icmp icmp type echo-request limit rate 10/second accept`,
    "ct state established,related accept",
    "}",
    // The VMM is in this namespace too: a compromised one must not be able to bypass its guest's
    // rules.
    "chain output {",
    "type filter hook output priority filter; policy drop;",
    `oifname { "lo", "${tap}" } accept`,
    "}",
    "chain prerouting {",
    "type nat hook prerouting priority dstnat;",
    ...(dns === undefined ? [] : resolver),
    `iifname "veth0" ip saddr ${host} meta l4proto tcp dnat ip to ${address}`,
    "}",
    "chain postrouting {",
    "type nat hook postrouting priority srcnat;",
    `oifname "veth0" ip saddr ${address} snat ip to ${slot}`,
    "}",
    "}",
    "",
  ].join("\n");
}
