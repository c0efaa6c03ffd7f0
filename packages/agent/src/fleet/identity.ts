/**
 * The node's identity in its fleet: a key that never leaves the node, and the certificate that the
 * server issued for it. Files in the data directory; written before they are used.
 */
import { createHash, webcrypto, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { z } from "zod";
import { AgentError, messageOf } from "../errors.ts";
import { replaceFile, sync } from "../store/durable.ts";

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

const Identity = z.strictObject({
  server: z.string(),
  node: z.string(),
  ca: z.string(),
  certificate: z.string(),
  /** When it was issued, and when it expires. */
  issued: z.iso.datetime(),
  expires: z.iso.datetime(),
  /** SHA-256 of the token that it joined with. */
  joinedWith: z.string().optional(),
});
export type Identity = z.infer<typeof Identity>;

export interface FleetPaths {
  readonly root: string;
  readonly key: string;
  readonly identity: string;
  readonly plans: string;
  readonly orders: string;
}

export function fleetPaths(data: string): FleetPaths {
  const root = join(data, "fleet");
  const plans = join(root, "plans");
  mkdirSync(plans, { recursive: true, mode: 0o700 });
  return {
    root,
    key: join(root, "key.pem"),
    identity: join(root, "node.json"),
    plans,
    orders: join(root, "orders.json"),
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new AgentError("BAD_CONFIG", `${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Replaces a file durably, so that it survives a crash of the machine. */
export async function keepFile({ root }: FleetPaths, path: string, text: string): Promise<void> {
  replaceFile(path, text);
  await sync(path);
  await sync(root);
}

/** Undefined if the node has not joined; throws BAD_CONFIG if that cannot be determined. */
export function readIdentity({ identity: path }: FleetPaths): Identity | undefined {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return Identity.parse(JSON.parse(text));
  } catch (cause) {
    throw new AgentError("BAD_CONFIG", `${path}: ${messageOf(cause)}`, { cause });
  }
}

/** The node's key as PEM, made when there is none. */
export async function nodeKey(paths: FleetPaths): Promise<string> {
  const known = readIfThere(paths.key);
  if (known !== undefined) return known;
  const { privateKey } = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const der = await webcrypto.subtle.exportKey("pkcs8", privateKey);
  const pem = x509.PemConverter.encode(der, "PRIVATE KEY");
  await keepFile(paths, paths.key, pem);
  return pem;
}

/** A PKCS #10 request for the node's key; the server chooses the name. */
export async function requestFor(key: string): Promise<string> {
  const [der] = x509.PemConverter.decode(key);
  if (der === undefined) throw new AgentError("BAD_CONFIG", "the node's key is not PEM");
  const privateKey = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]);
  // The public half only.
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey("jwk", privateKey);
  const jwk = { kty, crv, x, y } as webcrypto.JsonWebKey;
  const publicKey = await webcrypto.subtle.importKey("jwk", jwk, ALGORITHM, true, ["verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=node",
    keys: { privateKey, publicKey },
    signingAlgorithm: ALGORITHM,
  });
  return request.toString("pem");
}

export interface JoinToken {
  readonly secret: string;
  /** SHA-256 of the CA's certificate: the only CA that may receive the secret. */
  readonly ca: string;
}

/** Throws BAD_CONFIG. */
export function parseJoinToken(text: string): JoinToken {
  const [, secret, ca] = /^ekj\.([A-Za-z0-9_-]{16,128})\.([0-9a-f]{64})$/.exec(text.trim()) ?? [];
  if (secret !== undefined && ca !== undefined) return { secret, ca };
  throw new AgentError("BAD_CONFIG", "join: not a join token (ekj.SECRET.DIGEST)");
}

/** What is stored of a join token, to recognize a different one later. */
export function digestOfToken(token: string): string {
  return createHash("sha256").update(token.trim()).digest("hex");
}

/**
 * Only the certificate that a join token names; undefined if the PEM does not begin with it. TLS
 * would also trust further certificates in the PEM, which nobody vouched for.
 */
export function namedIn(pem: string, { ca }: JoinToken): string | undefined {
  try {
    const first = new X509Certificate(pem);
    const digest = createHash("sha256").update(first.raw).digest("hex");
    return digest === ca ? first.toString() : undefined;
  } catch {
    return undefined;
  }
}
