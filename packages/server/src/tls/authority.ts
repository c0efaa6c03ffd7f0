/**
 * The fleet's own CA. Its key is in the store, as all servers of a fleet sign with it: who reads
 * the store can be any node. Certificates are short and their owners renew them.
 */
import { X509Certificate as NodeCertificate, webcrypto } from "node:crypto";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { eq } from "drizzle-orm";
import { messageOf, ServerError } from "../errors.ts";
import { takeLock } from "../store/locks.ts";
import { authority } from "../store/schema.ts";
import type { Database } from "../store/store.ts";

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 3_600_000;
const CA_MS = 10 * 365 * DAY_MS;
const NODE_MS = 3 * DAY_MS;
const SERVER_MS = 30 * DAY_MS;
/** Clocks of a fleet differ. */
const EARLIER_MS = 5 * 60_000;
/** What a node's certificate says its subject is a member of. */
const NODE_UNIT = "evenkeel node";

interface Issued {
  /** PEM. */
  readonly certificate: string;
  readonly expires: Date;
}

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of its DER, as join tokens carry it. */
  readonly digest: string;
  /** A node's certificate for the key of a PKCS #10 request; throws BAD_CSR. */
  issueForNode(node: string, csr: string): Promise<Issued>;
  /** A key and a certificate for this server under these DNS names and addresses. */
  issueForServer(names: readonly string[]): Promise<Issued & { readonly key: string }>;
}

function serial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  // Positive, and never zero: RFC 5280, 4.1.2.2.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

function span(milliseconds: number) {
  const now = Date.now();
  return { notBefore: new Date(now - EARLIER_MS), notAfter: new Date(now + milliseconds) };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

async function readKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (der === undefined) throw new ServerError("SERVER_DEFECT", "the CA's key is no PEM");
  return await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
}

async function makeAuthority(): Promise<{ certificate: string; key: string }> {
  const keys = await makeKeys();
  const usage = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: ["evenkeel fleet CA"] }],
    ...span(CA_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(usage, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyPem(keys.privateKey) };
}

/** The CA of this store, made by whichever server comes first. */
async function loadAuthority(db: Database): Promise<{ certificate: string; key: string }> {
  return await db.transaction(async (tx) => {
    await takeLock(tx, "bootstrap");
    const [known] = await tx.select().from(authority).where(eq(authority.id, 1));
    if (known !== undefined) return known;
    const made = await makeAuthority();
    await tx.insert(authority).values({ id: 1, ...made, created: new Date() });
    return made;
  });
}

/** The request, whose signature shows that the asker has the key. Throws BAD_CSR. */
async function readRequest(csr: string): Promise<x509.Pkcs10CertificateRequest> {
  let request: x509.Pkcs10CertificateRequest;
  let valid: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(csr);
    valid = await request.verify();
  } catch (cause) {
    throw new ServerError("BAD_CSR", `csr: ${messageOf(cause)}`, { cause });
  }
  if (!valid) throw new ServerError("BAD_CSR", "csr: the signature is not its key's");
  const { name, namedCurve } = request.publicKey.algorithm as webcrypto.EcKeyAlgorithm;
  if (name === ALGORITHM.name && namedCurve === ALGORITHM.namedCurve) return request;
  throw new ServerError("BAD_CSR", `csr: the key is ${name} ${namedCurve ?? ""}`.trim());
}

interface Signer {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

interface Subject {
  readonly name: x509.JsonName;
  readonly publicKey: x509.PublicKey | webcrypto.CryptoKey;
  readonly milliseconds: number;
  readonly purpose: x509.ExtendedKeyUsage;
  readonly names?: x509.JsonGeneralNames;
}

async function sign({ certificate: ca, key }: Signer, subject: Subject): Promise<Issued> {
  const { name, publicKey, milliseconds, purpose, names } = subject;
  const valid = span(milliseconds);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: name,
    issuer: ca.subjectName,
    ...valid,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([purpose]),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
      ...(names === undefined ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  return { certificate: certificate.toString("pem"), expires: valid.notAfter };
}

function generalNames(names: readonly string[]): x509.JsonGeneralNames {
  return names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? "ip" : "dns", value }));
}

export async function openAuthority(db: Database): Promise<Authority> {
  const stored = await loadAuthority(db);
  const { certificate: pem } = stored;
  const certificate = new x509.X509Certificate(pem);
  const signer = { certificate, key: await readKey(stored.key) };
  return {
    certificate: pem,
    digest: Buffer.from(await certificate.getThumbprint("SHA-256")).toString("hex"),
    issueForNode: async (node, csr) => {
      const { publicKey } = await readRequest(csr);
      const name = [{ OU: [NODE_UNIT] }, { CN: [node] }];
      const purpose = x509.ExtendedKeyUsage.clientAuth;
      return await sign(signer, { name, publicKey, milliseconds: NODE_MS, purpose });
    },
    issueForServer: async (names) => {
      const { publicKey, privateKey } = await makeKeys();
      const issued = await sign(signer, {
        name: [{ CN: [names[0] ?? "evenkeel"] }],
        publicKey,
        milliseconds: SERVER_MS,
        purpose: x509.ExtendedKeyUsage.serverAuth,
        names: generalNames(names),
      });
      return { ...issued, key: await keyPem(privateKey) };
    },
  };
}

/** The digest of the key that a request is for; throws BAD_CSR. */
export async function keyOfRequest(csr: string): Promise<string> {
  const { publicKey } = await readRequest(csr);
  return Buffer.from(await publicKey.getThumbprint("SHA-256")).toString("hex");
}

/** The node that a verified certificate is for; undefined where it is for no node. */
export function nodeOfCertificate(der: Buffer): string | undefined {
  const { subject } = new NodeCertificate(der);
  return new RegExp(`^OU=${NODE_UNIT}\nCN=(n-[a-z2-7]{16})$`).exec(subject)?.[1];
}
