/** Which nodes hold which snapshot, and what a snapshot takes. */

interface Held {
  readonly node: string;
  readonly digest: string;
  readonly contract: string;
  readonly memoryMib: number;
}

export interface HeldGuest {
  readonly contract: string;
  readonly memoryMib: number;
}

interface Entry {
  readonly guest: HeldGuest;
  /** Ids. */
  readonly nodes: string[];
}

export interface Holders {
  guest(snapshot: string): HeldGuest | undefined;
  nodes(snapshot: string): readonly string[];
  /** Replaces what some nodes hold. */
  set(nodes: Iterable<string>, rows: readonly Held[]): void;
}

export function openHolders(): Holders {
  const entries = new Map<string, Entry>();
  const byNode = new Map<string, string[]>();
  /** The same few texts stand in many rows. */
  const texts = new Map<string, string>();
  const one = (text: string) => {
    const known = texts.get(text) ?? text;
    texts.set(text, known);
    return known;
  };
  const forget = (node: string) => {
    for (const digest of byNode.get(node) ?? []) {
      const entry = entries.get(digest);
      if (entry === undefined) continue;
      const at = entry.nodes.indexOf(node);
      if (at >= 0) entry.nodes.splice(at, 1);
      if (entry.nodes.length === 0) entries.delete(digest);
    }
    byNode.delete(node);
  };
  const hold = ({ node, digest, contract, memoryMib }: Held) => {
    const entry = entries.get(digest) ?? {
      guest: { contract: one(contract), memoryMib },
      nodes: [],
    };
    entries.set(digest, entry);
    const id = one(node);
    if (entry.nodes.includes(id)) return;
    entry.nodes.push(id);
    const own = byNode.get(id);
    if (own === undefined) byNode.set(id, [digest]);
    else own.push(digest);
  };
  return {
    guest: (snapshot) => entries.get(snapshot)?.guest,
    nodes: (snapshot) => entries.get(snapshot)?.nodes ?? [],
    set: (nodes, rows) => {
      for (const node of nodes) forget(node);
      for (const row of rows) hold(row);
    },
  };
}
