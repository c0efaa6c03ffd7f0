/** Reading a matrix certificate back. */
import { fail } from "../errors.ts";
import { isObject, type JsonObject } from "../json/problems.ts";
import { MATRIX_SCHEMA, type Certificate } from "../verdict/matrix.ts";

function isStringRecord(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((v) => typeof v === "string");
}

function hasStrings(value: unknown, keys: readonly string[]): value is JsonObject {
  return isObject(value) && keys.every((key) => typeof value[key] === "string");
}

function isListOf(value: unknown, keys: readonly string[]): boolean {
  return Array.isArray(value) && value.every((item) => hasStrings(item, keys));
}

/** Checks a certificate's shape; throws BAD_FIELD with the first place that is wrong. */
export function readCertificate(json: unknown): Certificate {
  if (!isObject(json) || json["schema"] !== MATRIX_SCHEMA) {
    return fail("UNKNOWN_FORMAT", `not a matrix certificate (${MATRIX_SCHEMA})`, "schema");
  }
  const version = json["firecracker"];
  const checks: readonly (readonly [key: string, ok: boolean])[] = [
    ["rules", typeof json["rules"] === "string"],
    ["shape", isStringRecord(json["shape"])],
    ["firecracker", version === undefined || typeof version === "string"],
    ["inputs", isListOf(json["inputs"], ["file", "name", "digest"])],
    ["entries", isListOf(json["entries"], ["label", "contract"])],
    ["pairs", isListOf(json["pairs"], ["from", "to", "verdict", "findings"])],
  ];
  const wrong = checks.find(([, ok]) => !ok);
  if (wrong !== undefined) return fail("BAD_FIELD", "is missing or of the wrong form", wrong[0]);
  return json as unknown as Certificate;
}
