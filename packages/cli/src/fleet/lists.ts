/** What `evenkeel fleet get` lists. */
export const LISTS = [
  "nodes",
  "classes",
  "pools",
  "plans",
  "contracts",
  "snapshots",
  "tokens",
  "audit",
] as const;
export type ListKind = (typeof LISTS)[number];
