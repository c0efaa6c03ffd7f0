/** The list of a node's snapshots, with the contracts and manifests that the server lacks. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { contractToJson } from "@evenkeel/core";
import { z } from "zod";
import type { Context } from "../sandboxes/context.ts";
import { sha256 } from "../store/hashing.ts";
import { MANIFEST_FILE } from "../store/manifest.ts";
import type { FleetClient } from "./client.ts";
import { digestOfList, snapshotsHeld } from "./holdings.ts";

const Lacking = z.object({ missing: z.array(z.string()), manifests: z.array(z.string()) });

/** Characters of one request: the server takes eight million. */
const MOST_CHARACTERS = 4_000_000;
/** After this many rejections of a list, give up. */
const MOST_ROUNDS = 100;

async function sendContracts(
  { snapshots }: Context,
  client: FleetClient,
  missing: readonly string[],
): Promise<void> {
  const contracts = new Map(
    snapshots.list().map(({ contract, metadata }) => [metadata.contract, contract]),
  );
  for (const digest of missing) {
    const contract = contracts.get(digest);
    if (contract === undefined) continue;
    await client.call("PUT", "/v1/node/contracts", contractToJson(contract));
  }
}

/** Texts of manifests that match their digests, in separate requests. */
async function* manifestsOf({ snapshots }: Context, wanted: readonly string[]) {
  const directories = new Map(
    snapshots.list().map(({ directory, metadata }) => [metadata.digest, directory]),
  );
  let texts: string[] = [];
  let characters = 0;
  for (const digest of wanted) {
    const directory = directories.get(digest);
    if (directory === undefined) continue;
    // A snapshot may have been deleted meanwhile: the next list will not have it.
    const read = async () => await readFile(join(directory, MANIFEST_FILE), "utf8");
    const text = await read().catch(() => undefined);
    if (text === undefined || sha256(text) !== digest) continue;
    if (texts.length > 0 && characters + text.length > MOST_CHARACTERS) {
      yield texts;
      [texts, characters] = [[], 0];
    }
    texts.push(text);
    characters += text.length;
  }
  if (texts.length > 0) yield texts;
}

/** Settles once the server has the list; throws if it does not accept it. */
export async function sendSnapshots(context: Context, client: FleetClient): Promise<void> {
  const list = snapshotsHeld(context);
  const report = { digest: digestOfList(list), snapshots: list };
  let left = "";
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { missing, manifests } = Lacking.parse(
      await client.call("PUT", "/v1/node/snapshots", report),
    );
    const first = missing[0] ?? manifests[0];
    if (first === undefined) return;
    if (first === left) break;
    left = first;
    await sendContracts(context, client, missing);
    for await (const texts of manifestsOf(context, manifests)) {
      await client.call("PUT", "/v1/node/manifests", { manifests: texts });
    }
  }
  throw new Error(`the server does not take ${left}`);
}
