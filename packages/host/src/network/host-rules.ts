/** What the host itself enforces around all slots: nftables in its own namespace. Pure. */
import { formatCidr, type Cidr } from "./addresses.ts";

export interface HostNetwork {
  /** Of this data directory; see isolation/names.ts. */
  readonly tag: string;
  readonly pool: Cidr;
  readonly dns: string | undefined;
}

/** Name prefix of slots' interfaces on the host; the slot's number follows. */
export function linkPrefix(tag: string): string {
  return `ek${tag}-`;
}

function tableOf(tag: string): string {
  return `inet evenkeel_${tag}`;
}

/**
 * Guests cannot reach each other or the host, and nothing outside can reach a guest. What a guest
 * may reach beyond the host is decided in its own namespace. Input for `nft -f`; replaces what an
 * earlier agent left behind.
 */
export function hostRules({ tag, pool, dns }: HostNetwork): string {
  const links = `"${linkPrefix(tag)}*"`;
  const table = tableOf(tag);
  // A resolver may run on the host itself.
  const resolver = ["udp", "tcp"].map(
    (protocol) => `iifname ${links} ip daddr ${dns} ${protocol} dport 53 accept`,
  );
  return [
    `table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    "chain forward {",
    "type filter hook forward priority filter - 5; policy accept;",
    `iifname ${links} oifname ${links} drop`,
    `iifname ${links} ip saddr != ${formatCidr(pool)} drop`,
    `iifname ${links} meta nfproto ipv6 drop`,
    `oifname ${links} ct direction reply ct state established,related accept`,
    `oifname ${links} ct state related accept`,
    `oifname ${links} drop`,
    "}",
    "chain input {",
    "type filter hook input priority filter - 5; policy accept;",
    `iifname ${links} ct direction reply ct state established,related accept`,
    ...(dns === undefined ? [] : resolver),
    `iifname ${links} drop`,
    "}",
    "chain postrouting {",
    "type nat hook postrouting priority srcnat;",
    `ip saddr ${formatCidr(pool)} oifname != ${links} masquerade`,
    "}",
    "}",
    "",
  ].join("\n");
}
