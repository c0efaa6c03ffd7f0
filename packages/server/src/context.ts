/** What the operations of the server work with. */
import type { Fleet } from "./placement/fleet.ts";
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
  /** What was written is to be seen. */
  changed(): void;
}

export interface Context {
  readonly store: Store;
  readonly authority: Authority;
  readonly times: Times;
  readonly picture: Picture;
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
  | { readonly kind: "node"; readonly id: string; readonly name: string };

export function actorText(actor: Actor): string {
  return `${actor.kind}:${actor.name}`;
}
