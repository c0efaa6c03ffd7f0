/** Whom a node believes when it joins. */
import { createHash, webcrypto, X509Certificate } from "node:crypto";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { expect, test } from "vitest";
import { namedIn, parseJoinToken } from "../src/fleet/identity.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function authority(name: string): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return certificate.toString("pem");
}

test("only the certificate that a token names is trusted, not what stands behind it", async () => {
  const [own, rogue] = [await authority("own"), await authority("rogue")];
  const digest = createHash("sha256").update(new X509Certificate(own).raw).digest("hex");
  const token = parseJoinToken(`ekj.${"s".repeat(32)}.${digest}`);
  const named = namedIn(`${own}\n${rogue}`, token);
  expect(named?.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  expect(new X509Certificate(named ?? "").raw).toEqual(new X509Certificate(own).raw);
  expect(namedIn(rogue, token)).toBeUndefined();
  expect(namedIn(`${rogue}\n${own}`, token)).toBeUndefined();
});
