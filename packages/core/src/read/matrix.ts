/** Reading a matrix certificate back. */
import { fail } from "../errors.ts";
import { isObject } from "../json/problems.ts";
import { listOf, mapOf, maybe, objectOf, oneOf, readWith, text } from "../json/reader.ts";
import { MATRIX_SCHEMA, type Certificate } from "../verdict/matrix.ts";

export const CERTIFICATE = objectOf({
  schema: oneOf(MATRIX_SCHEMA),
  rules: text,
  shape: mapOf(text),
  firecracker: maybe(text),
  inputs: listOf(objectOf({ file: text, name: text, digest: text })),
  entries: listOf(objectOf({ label: text, nodes: listOf(text), contract: text })),
  pairs: listOf(
    objectOf({
      from: text,
      to: text,
      verdict: oneOf("compatible", "insecure", "incompatible", "unknown"),
      findings: text,
    }),
  ),
});

/** Throws UNKNOWN_FORMAT for another document, BAD_FIELD with every place that is wrong. */
export function readCertificate(json: unknown): Certificate {
  if (!isObject(json) || json["schema"] !== MATRIX_SCHEMA) {
    return fail("UNKNOWN_FORMAT", `not a matrix certificate (${MATRIX_SCHEMA})`, "schema");
  }
  return readWith(CERTIFICATE, json, "BAD_FIELD");
}
