/** Joining: a one-time token, a certificate request, a certificate. */
import { z } from "zod";
import { Name, Timestamp } from "../names.ts";
import { Document, NodeId, Role, Selector } from "./names.ts";

const Pem = z.string().min(1).max(16_384);

export const JoinTokenRequest = z.strictObject({
  ttlSeconds: z
    .int()
    .min(10)
    .max(7 * 24 * 3600)
    .default(3600),
  labels: Selector.default({}).meta({ description: "The labels that the node gets." }),
});

export const JoinToken = z
  .object({
    id: z.string(),
    token: z.string().meta({
      description: "The secret and the digest of the server's CA. Shown once; used once.",
    }),
    expires: Timestamp,
  })
  .meta({ id: "JoinToken" });

export const CaAnswer = z.object({ certificate: Pem }).meta({ id: "CertificateAuthority" });

export const JoinRequest = z
  .strictObject({
    secret: z.string().min(16).max(128),
    csr: Pem.meta({ description: "PKCS #10, PEM, of a key that stays on the node." }),
    profile: Document.meta({ description: "evenkeel/node-profile@1" }),
  })
  .meta({ id: "JoinRequest" });

export const RenewRequest = z.strictObject({ csr: Pem });

export const Certificate = z
  .object({ node: NodeId, certificate: Pem, ca: Pem, expires: Timestamp })
  .meta({ id: "NodeCertificate" });
export type Certificate = z.infer<typeof Certificate>;

export const TokenRequest = z.strictObject({ name: Name, role: Role });
const TokenInfo = z
  .object({ name: Name, role: Role, created: Timestamp, createdBy: z.string() })
  .meta({ id: "OperatorToken" });
export const NewToken = TokenInfo.extend({
  token: z.string().meta({ description: "Shown once: only its digest is kept." }),
}).meta({ id: "NewOperatorToken" });
export const TokenList = z.object({ tokens: z.array(TokenInfo) });
