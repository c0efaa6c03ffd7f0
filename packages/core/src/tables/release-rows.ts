/**
 * Firecracker's releases as rows, oldest first: what a template and a snapshot depend on. All lines
 * that have custom CPU templates in today's language are here.
 *
 * A new release is one row: what it begins to do and what it ends; all else is as in the row before.
 *
 * Source: Firecracker's CHANGELOG.md and sources at the tags named.
 */

/** What some releases do and others do not. */
export const BEHAVIOURS = {
  "lowers-amd-leaves": "AMD: writes 8000001FH as the highest extended leaf",
  "names-format": "`--snapshot-version` prints the snapshot format",
  "templates-know-rfds": "T2S and T2CL show guests the bits for RFDS",
  "clears-waitpkg": "Intel: clears WAITPKG",
  "writes-leaf-1f": "Intel: also writes the topology into leaf 1FH",
  "short-apic-ids": "leaf BH: 5 bits of the APIC id for the vCPU, 7 before",
  "checks-models": "refuses a built-in template on a model outside its list",
  "asks-for-amx": "asks the kernel for guests' AMX state",
  "tracks-dirty-pages": "`PUT /snapshot/load` takes `track_dirty_pages`",
  "sets-mtrr-default": "sets MTRRdefType when it boots a guest",
  "unplugs-devices": "`DELETE` unplugs devices",
} as const satisfies Record<string, string>;

export type Behaviour = keyof typeof BEHAVIOURS;

export interface Release {
  /** E.g. 1.12, for 1.12.0 and 1.12.1. */
  readonly line: string;
  readonly date: string;
  /** Formats by the first patch that writes them; before 1.7 they are named after the line here. */
  readonly formats: readonly (readonly [patch: number, format: string])[];
  readonly begins?: readonly Behaviour[];
  readonly ends?: readonly Behaviour[];
}

export const RELEASES: readonly Release[] = [
  { line: "1.5", date: "2023-10", formats: [[0, "1.5"]], begins: ["lowers-amd-leaves"] },
  { line: "1.6", date: "2023-12", formats: [[0, "1.6"]] },
  { line: "1.7", date: "2024-03", formats: [[0, "1.0.0"]], begins: ["names-format"] },
  { line: "1.8", date: "2024-07", formats: [[0, "2.0.0"]], begins: ["templates-know-rfds"] },
  { line: "1.9", date: "2024-09", formats: [[0, "3.0.0"]] },
  {
    line: "1.10",
    date: "2024-11",
    formats: [
      [0, "3.0.0"],
      [1, "4.0.0"],
    ],
  },
  { line: "1.11", date: "2025-03", formats: [[0, "5.0.0"]], ends: ["lowers-amd-leaves"] },
  {
    line: "1.12",
    date: "2025-05",
    formats: [[0, "6.0.0"]],
    begins: ["clears-waitpkg", "writes-leaf-1f", "short-apic-ids", "checks-models", "asks-for-amx"],
  },
  { line: "1.13", date: "2025-08", formats: [[0, "8.0.0"]], begins: ["tracks-dirty-pages"] },
  { line: "1.14", date: "2025-12", formats: [[0, "8.0.0"]], begins: ["sets-mtrr-default"] },
  { line: "1.15", date: "2026-03", formats: [[0, "9.0.0"]] },
  { line: "1.16", date: "2026-06", formats: [[0, "10.0.0"]], begins: ["unplugs-devices"] },
];
