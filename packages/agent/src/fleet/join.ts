/** Joining a fleet with a one-time token, and renewing the certificate. */
import { formatProfile, type NodeProfile } from "@evenkeel/core";
import { z } from "zod";
import { AgentError, messageOf } from "../errors.ts";
import { openClient } from "./client.ts";
import {
  digestOfToken,
  namedIn,
  keepFile,
  nodeKey,
  parseJoinToken,
  requestFor,
  type FleetPaths,
  type Identity,
} from "./identity.ts";

const Ca = z.object({ certificate: z.string() });
const Given = z.object({
  node: z.string(),
  certificate: z.string(),
  ca: z.string(),
  expires: z.iso.datetime(),
});

/** The CA that the token names, whoever sent it; throws JOIN_FAILED. */
async function fetchCa(server: string, token: ReturnType<typeof parseJoinToken>): Promise<string> {
  const client = openClient(server, "untrusted");
  try {
    const { certificate } = Ca.parse(await client.call("GET", "/v1/ca"));
    const named = namedIn(certificate, token);
    if (named !== undefined) return named;
  } finally {
    client.close();
  }
  const message = `${server} has a different CA from the one in the join token: the secret was not sent`;
  throw new AgentError("JOIN_FAILED", message);
}

async function keep(
  paths: FleetPaths,
  /** The CA is the one known before the request, not one from the answer. */
  known: Pick<Identity, "server" | "ca" | "joinedWith">,
  given: z.infer<typeof Given>,
): Promise<Identity> {
  const identity = { ...given, ...known, issued: new Date().toISOString() };
  await keepFile(paths, paths.identity, `${JSON.stringify(identity, undefined, 2)}\n`);
  return identity;
}

interface Joining {
  readonly paths: FleetPaths;
  readonly server: string;
  /** `ekj.SECRET.DIGEST` */
  readonly token: string;
  readonly profile: NodeProfile;
}

/**
 * Joins, or gets the same answer again if an earlier one was lost: the key is on disk before the
 * token is used. Throws BAD_CONFIG, JOIN_FAILED.
 */
export async function joinFleet({ paths, server, token, profile }: Joining): Promise<Identity> {
  const parsed = parseJoinToken(token);
  const key = await nodeKey(paths);
  const csr = await requestFor(key);
  try {
    const ca = await fetchCa(server, parsed);
    const client = openClient(server, { ca });
    try {
      const body = { secret: parsed.secret, csr, profile: JSON.parse(formatProfile(profile)) };
      const given = Given.parse(await client.call("POST", "/v1/join", body));
      return await keep(paths, { server, ca, joinedWith: digestOfToken(token) }, given);
    } finally {
      client.close();
    }
  } catch (cause) {
    if (cause instanceof AgentError && cause.code === "JOIN_FAILED") throw cause;
    throw new AgentError("JOIN_FAILED", messageOf(cause), { cause });
  }
}

/** After a third of a certificate's lifetime: two thirds remain to reach the server. */
export function isDue({ issued, expires }: Identity, now = Date.now()): boolean {
  const [from, to] = [Date.parse(issued), Date.parse(expires)];
  return now - from > (to - from) / 3;
}

/** A new certificate for the same key. */
export async function renewIdentity(
  paths: FleetPaths,
  { server, ca, joinedWith }: Identity,
  call: (path: string, body: unknown) => Promise<unknown>,
): Promise<Identity> {
  const csr = await requestFor(await nodeKey(paths));
  const given = Given.parse(await call("/v1/node/certificate", { csr }));
  return await keep(paths, { server, ca, joinedWith }, given);
}
