/** A snapshot being made: a directory without its final name until it is complete. */
import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SNAPSHOT_SCHEMA } from "@evenkeel/api";
import { contractToJson, prettyJson, type CpuContract } from "@evenkeel/core";
import { AgentError } from "../errors.ts";
import { publish } from "./durable.ts";
import {
  CONTRACT_FILE,
  makeManifest,
  MANIFEST_FILE,
  METADATA_FILE,
  SIGNATURE_FILE,
  type Manifest,
  type ManifestFacts,
} from "./manifest.ts";
import { localText, viewOf, type Local, type Snapshot } from "./snapshot-files.ts";
import type { StoreState } from "./snapshots.ts";

/** Ends with `commit`, `adopt` or `discard`. */
export interface Stage {
  readonly directory: string;
  /**
   * Writes contract and manifest, signs it, syncs everything, and gives the snapshot its name.
   * `known`: digests of files that need not be read again.
   */
  commit(
    facts: ManifestFacts,
    contract: CpuContract,
    known?: ReadonlyMap<string, string>,
  ): Promise<Snapshot>;
  /** Gives a name to another node's snapshot, whose files are complete and verified. */
  adopt(manifest: Manifest, contract: CpuContract, signedBy: string | undefined): Promise<Snapshot>;
  discard(): Promise<void>;
}

type Intern = (contract: CpuContract) => CpuContract;

interface Origin extends Pick<Local, "imported"> {
  readonly signedBy: string | undefined;
  readonly contract: CpuContract;
}

async function place(
  state: StoreState,
  directory: string,
  manifest: Manifest,
  facts: Pick<Local, "name"> & Origin,
): Promise<Snapshot> {
  const { name, imported, signedBy, contract } = facts;
  const local: Local = { schema: SNAPSHOT_SCHEMA, name, manifest: manifest.digest, imported };
  await writeFile(join(directory, METADATA_FILE), localText(local));
  const target = join(state.root, name);
  await state.heavy(() => publish(directory, target));
  const metadata = viewOf(manifest, local, signedBy);
  const snapshot = { directory: target, metadata, contract, local };
  state.known.set(name, snapshot);
  state.reserved.delete(name);
  return snapshot;
}

/** Throws NAME_TAKEN, also while another operation is creating it. */
export async function makeStage(
  state: StoreState,
  name: string,
  intern: Intern,
  digestOf: (contract: CpuContract) => string,
): Promise<Stage> {
  const { known: names, reserved, root, signatures, heavy } = state;
  if (names.has(name) || reserved.has(name)) {
    throw new AgentError("NAME_TAKEN", `a snapshot already exists with the name "${name}"`);
  }
  reserved.add(name);
  const directory = join(root, `.new-${randomUUID()}`);
  let placed = false;
  const discard = async () => {
    // Also one that got its name but could not be synced.
    if (placed && !names.has(name)) await rm(join(root, name), { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
    reserved.delete(name);
  };
  try {
    await mkdir(join(directory, "disks"), { recursive: true, mode: 0o700 });
  } catch (error) {
    await discard();
    throw error;
  }
  const give = async (manifest: Manifest, origin: Origin): Promise<Snapshot> => {
    placed = true;
    const contract = intern(origin.contract);
    return await place(state, directory, manifest, { ...origin, name, contract });
  };
  return {
    directory,
    discard,
    commit: async (facts, contract, known = new Map()) => {
      await writeFile(join(directory, CONTRACT_FILE), prettyJson(contractToJson(contract)));
      const digest = digestOf(contract);
      const manifest = await heavy(() => makeManifest(directory, facts, digest, known));
      await writeFile(join(directory, MANIFEST_FILE), manifest.text);
      const signature = signatures.sign(manifest.digest);
      if (signature !== undefined) await writeFile(join(directory, SIGNATURE_FILE), signature);
      const signedBy = signatures.signer(manifest.digest, signature);
      return await give(manifest, { imported: false, signedBy, contract });
    },
    adopt: async (manifest, contract, signedBy) =>
      await give(manifest, { imported: true, signedBy, contract }),
  };
}
