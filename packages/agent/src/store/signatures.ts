/**
 * Signatures of manifests: Ed25519, over the manifest's digest. A node signs the snapshots it
 * takes; a list of public keys says who is trusted.
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { parseJson, prettyJson } from "@evenkeel/core";
import { z } from "zod";
import { AgentError, messageOf } from "../errors.ts";
import { sha256 } from "./hashing.ts";

const SIGNATURE_SCHEMA = "evenkeel/signature@1";

const Signature = z.strictObject({
  schema: z.literal(SIGNATURE_SCHEMA),
  /** SubjectPublicKeyInfo, DER, base64. */
  key: z.string().max(1024),
  signature: z.string().max(1024),
});

/** Domain separation: nothing else is ever signed with this prefix. */
function messageFor(digest: string): Buffer {
  return Buffer.from(`evenkeel snapshot manifest\n${digest}\n`);
}

function der(key: KeyObject): Buffer {
  const shown = key.type === "private" ? createPublicKey(key) : key;
  return shown.export({ type: "spki", format: "der" });
}

/** A public key's id for display: the SHA-256 of its DER. */
function keyId(key: Buffer): string {
  return sha256(key);
}

export interface Signatures {
  /** A signature file's text; undefined where this node has no key. */
  sign(digest: string): string | undefined;
  /** Who signed a manifest, by key id; undefined if it is not signed. Throws UNTRUSTED. */
  signer(digest: string, signature: string | undefined): string | undefined;
  /** Throws UNTRUSTED if there is a list of trusted keys and the signer's is not on it. */
  requireTrusted(signer: string | undefined, what: string): void;
}

interface Keys {
  /** PEM of an Ed25519 private key. */
  readonly signing: string | undefined;
  /** PEMs of Ed25519 public keys, one after the other; undefined: whoever. */
  readonly trusted: string | undefined;
}

function bad(why: string, cause: unknown): AgentError {
  return new AgentError("BAD_CONFIG", `${why}: ${messageOf(cause)}`, { cause });
}

function readPrivate(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw bad("signingKey", cause);
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new AgentError("BAD_CONFIG", `signingKey: must be an Ed25519 key`);
}

const PEM = /-----BEGIN PUBLIC KEY-----[^-]{1,1000}-----END PUBLIC KEY-----/g;

function readTrusted(pems: string): Set<string> {
  const blocks = pems.match(PEM) ?? [];
  try {
    const ids = blocks.map((pem) => keyId(der(createPublicKey(pem))));
    if (ids.length > 0) return new Set(ids);
  } catch (cause) {
    throw bad("trustedKeys", cause);
  }
  throw new AgentError("BAD_CONFIG", "trustedKeys: contains no public key");
}

function untrusted(why: string): never {
  throw new AgentError("UNTRUSTED", why);
}

/** The id of the key that made a signature; throws UNTRUSTED if it does not match this digest. */
function signerOf(digest: string, text: string): string {
  let right: boolean;
  let key: Buffer;
  try {
    const parsed = Signature.parse(parseJson(text));
    key = Buffer.from(parsed.key, "base64");
    const publicKey = createPublicKey({ key, type: "spki", format: "der" });
    right =
      publicKey.asymmetricKeyType === "ed25519" &&
      verify(null, messageFor(digest), publicKey, Buffer.from(parsed.signature, "base64"));
    // One spelling for one key.
    key = der(publicKey);
  } catch (error) {
    return untrusted(`the signature cannot be read: ${messageOf(error)}`);
  }
  return right ? keyId(key) : untrusted("the signature does not match this manifest");
}

/** Throws BAD_CONFIG for invalid keys. */
export function openSignatures({ signing, trusted }: Keys): Signatures {
  const own = signing === undefined ? undefined : readPrivate(signing);
  const list = trusted === undefined ? undefined : readTrusted(trusted);
  if (own !== undefined) list?.add(keyId(der(own)));
  return {
    sign: (digest) => {
      if (own === undefined) return undefined;
      const signature = sign(null, messageFor(digest), own).toString("base64");
      return prettyJson({ schema: SIGNATURE_SCHEMA, key: der(own).toString("base64"), signature });
    },
    signer: (digest, text) => (text === undefined ? undefined : signerOf(digest, text)),
    requireTrusted: (signer, what) => {
      if (list === undefined || (signer !== undefined && list.has(signer))) return;
      const why =
        signer === undefined
          ? "it is not signed"
          : `it was signed by ${signer}, which is not a trusted key`;
      untrusted(`${what}: ${why}`);
    },
  };
}
