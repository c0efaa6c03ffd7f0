/** A made-up fleet: many nodes of a few dozen classes, written as profiles. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  formatProfile,
  guestCpuOf,
  CATALOGUE_MODELS,
  onKernel,
  type Caches,
  type NodeProfile,
} from "@evenkeel/core";

const CACHES: Caches = {
  caches: [
    [1, 1, 8, 64],
    [1, 2, 8, 64],
    [2, 3, 16, 1024],
    [3, 3, 11, 32_768],
  ],
  brand: "Intel(R) Xeon(R) Processor",
};

/** Firmware and kernels differ in such bits between nodes of one model. */
const VARIATIONS = [
  "",
  "ERMS",
  "WBNOINVD",
  "KVM_PV_SCHED_YIELD",
  "KVM_POLL_CONTROL",
  "PSDP_NO",
  "INVARIANT_TSC",
  "PCID",
];

/** `count` distinct classes: every model with one or two features missing. */
function classes(count: number) {
  const models = CATALOGUE_MODELS.filter(({ vendor }) => vendor === "intel");
  const pairs = VARIATIONS.flatMap((a, i) => VARIATIONS.slice(i).map((b) => new Set([a, b])));
  const all = pairs.flatMap((missing) =>
    models.map((known) => {
      const model = onKernel(known, "6.8");
      const features = model.features.filter((name) => !missing.has(name));
      return guestCpuOf({ ...model, features }, "6.8", CACHES);
    }),
  );
  if (all.length < count) throw new Error(`no more than ${all.length} classes`);
  return all.slice(0, count);
}

/** Profiles of `nodes` nodes in `classCount` classes. */
export function fleetProfiles(nodes: number, classCount: number): NodeProfile[] {
  const cpus = classes(classCount);
  return Array.from({ length: nodes }, (_, i) => {
    const cpu = cpus[i % cpus.length];
    if (cpu === undefined) throw new Error("a fleet needs at least one class");
    const host = { kernel: "6.8.0-88-generic", microcode: `0x${(i % 7).toString(16)}` };
    const name = `node-${i.toString().padStart(5, "0")}`;
    const facts = { provenance: undefined, host, firecracker: ["1.14.1"], incomplete: [] };
    return { name, ...facts, estimate: false, cpu };
  });
}

/** Writes a fleet's profiles and returns their paths. */
export function writeFleet(directory: string, nodes: number, classCount: number): string[] {
  mkdirSync(directory, { recursive: true });
  return fleetProfiles(nodes, classCount).map((profile) => {
    const path = join(directory, `${profile.name}.json`);
    writeFileSync(path, formatProfile(profile));
    return path;
  });
}

/** Nodes as copies of one that joined for each kind, straight into a server's store. */
export async function copyNodes(
  client: { query(text: string): Promise<unknown> },
  { nodes, kinds }: { readonly nodes: number; readonly kinds: number },
): Promise<void> {
  await client.query(`
    insert into nodes (id, name, labels, joined, seen, profile, variant, held, baseline, cordoned,
      capacity, snapshots, certificate_expires)
    select 'n-' || lpad(i::text, 16, 'a'), 'copy-' || lpad(i::text, 5, '0'), n.labels, now(), now(),
      n.profile, n.variant, null, n.baseline, false,
      jsonb_build_object('sandboxes', i % 50, 'maxSandboxes', 100, 'memoryMib', i % 30000,
        'maxMemoryMib', 65536), repeat('0', 64), now() + interval '3 days'
    from generate_series(0, ${nodes - kinds - 1}) i
    join (select *, row_number() over (order by name) - 1 as k from nodes) n on n.k = i % ${kinds}`);
}
