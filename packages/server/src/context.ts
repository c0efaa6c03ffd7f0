/** What the operations of the server work with. */
import type { IndexCache } from "./contracts/index-writes.ts";
import type { Capacity } from "@evenkeel/api";
import type { Fleet } from "./placement/fleet.ts";
import type { HeldGuest } from "./placement/holders.ts";
import type { LiveNode } from "./placement/live-nodes.ts";
import type { Store } from "./store/store.ts";
import type { Authority } from "./tls/authority.ts";

/** How long a node may be silent, and how often it is to speak. */
export interface Times {
  readonly heartbeatSeconds: number;
  readonly suspectSeconds: number;
  readonly lostSeconds: number;
}

/** The fleet as placement sees it. */
export interface Picture {
  /** Not older than a second, and than anything that this server has written. */
  now(): Promise<Fleet>;
  /** What was written is to be seen: of a node, or whatever it was. */
  changed(node?: string): void;
  /** A node; undefined where there is none, or where the picture is too old to say. */
  node(id: string): LiveNode | undefined;
  /** A heartbeat without news: it is written with others, within a second. */
  heard(node: LiveNode, capacity: Capacity): void;
  /** What a snapshot takes, if a node holds it and the picture has it. */
  guest(snapshot: string): HeldGuest | undefined;
  hasContract(digest: string): boolean;
  /** Writes what was heard. */
  close(): Promise<void>;
}

export interface Context {
  readonly store: Store;
  readonly authority: Authority;
  readonly times: Times;
  readonly picture: Picture;
  readonly index: IndexCache;
  /** Hears of what went wrong while nobody waited for an answer. */
  readonly report: (what: string, why: string) => void;
}

/** Who asks. */
export type Actor =
  | {
      readonly kind: "token";
      readonly name: string;
      readonly role: "view" | "operate" | "override";
    }
  /** Whoever has one of a team's keys for E2B's API. */
  | { readonly kind: "team"; readonly name: string }
  | { readonly kind: "node"; readonly id: string; readonly name: string };

export function actorText(actor: Actor): string {
  return `${actor.kind}:${actor.name}`;
}
