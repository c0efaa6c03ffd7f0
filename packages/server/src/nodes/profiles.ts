/** Profiles, each kept once by its digest. */
import { eq } from "drizzle-orm";
import type { NodeProfile } from "@evenkeel/core";
import { verdictKey } from "@evenkeel/core";
import { registerVariant, type IndexCache } from "../contracts/index-writes.ts";
import { storedProfile, type ReadProfile } from "../documents.ts";
import { ServerError } from "../errors.ts";
import { profiles } from "../store/schema.ts";
import type { Queryable } from "../store/store.ts";
import { classOf } from "./class.ts";

/** Keeps a profile, and registers what it is to verdicts; returns the variant's id. */
export async function keepProfile(
  tx: Queryable,
  index: IndexCache,
  read: ReadProfile,
): Promise<string> {
  const { profile, digest, text } = read;
  const className = classOf(profile, verdictKey(profile));
  const variant = await registerVariant(tx, index, profile, className, text);
  const { kernel, microcode, biosVersion } = profile.host;
  const row = {
    digest,
    profile: text,
    variant,
    class: className,
    kernel: kernel ?? null,
    microcode: microcode ?? null,
    bios: biosVersion ?? null,
    firecracker: profile.firecracker,
    tscKhz: profile.tsc?.khz ?? null,
  };
  await tx.insert(profiles).values(row).onConflictDoNothing();
  return variant;
}

export async function loadProfile(tx: Queryable, digest: string): Promise<NodeProfile> {
  const [row] = await tx
    .select({ profile: profiles.profile })
    .from(profiles)
    .where(eq(profiles.digest, digest));
  if (row === undefined) throw new ServerError("SERVER_DEFECT", `profile ${digest} is not kept`);
  return storedProfile(row.profile);
}
