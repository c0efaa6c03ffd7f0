/** E2B's calls about templates: those that operators have built, which all teams may use. */
import { desc, eq } from "drizzle-orm";
import { contracts, heldSnapshots, manifests } from "../store/schema.ts";
import type { Database } from "../store/store.ts";
import { notImplemented } from "./errors.ts";
import type { E2b } from "./lifecycle.ts";
import type { E2bApp } from "./routes.ts";

async function listTemplates(tx: Database) {
  const rows = await tx
    .selectDistinctOn([heldSnapshots.name], {
      name: heldSnapshots.name,
      digest: heldSnapshots.digest,
      memoryMib: heldSnapshots.memoryMib,
      bytes: heldSnapshots.bytes,
      created: manifests.created,
      contract: contracts.contract,
    })
    .from(heldSnapshots)
    .innerJoin(manifests, eq(manifests.digest, heldSnapshots.digest))
    .innerJoin(contracts, eq(contracts.digest, heldSnapshots.contract))
    .where(eq(manifests.kind, "template"))
    .orderBy(heldSnapshots.name, desc(manifests.created));
  return rows.map(({ name, digest, memoryMib, bytes, created, contract }) => ({
    templateID: name,
    buildID: digest,
    cpuCount: (JSON.parse(contract) as { vcpus?: number }).vcpus ?? 0,
    memoryMB: memoryMib,
    diskSizeMB: Math.max(0, Math.ceil(bytes / 1024 / 1024) - memoryMib),
    public: true,
    aliases: [name],
    names: [name],
    createdAt: created.toISOString(),
    updatedAt: created.toISOString(),
    createdBy: null,
    lastSpawnedAt: null,
    spawnCount: 0,
    buildCount: 1,
    envdVersion: "",
    buildStatus: "ready",
  }));
}

export function addTemplateRoutes(app: E2bApp, { desk }: E2b): void {
  const { db } = desk.context.store;
  for (const path of ["/templates", "/v2/templates"]) {
    app.get(path, async () => await listTemplates(db));
  }
  // What is refused on purpose says so by its own name.
  for (const path of ["/v3/templates", "/v2/templates", "/templates"]) {
    app.post(path, () => {
      throw notImplemented("building templates by the API; use `evenkeel image build`");
    });
  }
}
