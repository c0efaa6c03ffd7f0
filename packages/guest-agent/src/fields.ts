/** Members of messages that callers sent: taken only where they are what they should be. */
import { CallError } from "./errors.ts";
import type { Json } from "./wire.ts";

export function textIn(message: Json, name: string): string {
  const value = message[name] ?? "";
  if (typeof value === "string") return value;
  throw new CallError("invalid_argument", `${name}: must be a text`);
}

export function numberIn(message: Json, name: string): number | undefined {
  const value = message[name];
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new CallError("invalid_argument", `${name}: must be a whole number`);
}

export function objectIn(message: Json, name: string): Json {
  const value = message[name] ?? {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Json;
  throw new CallError("invalid_argument", `${name}: must be an object`);
}

export function textsIn(message: Json, name: string): string[] {
  const value = message[name] ?? [];
  if (Array.isArray(value) && value.every((one): one is string => typeof one === "string")) {
    return value;
  }
  throw new CallError("invalid_argument", `${name}: must be a list of texts`);
}

/** Texts by name. */
export function variablesIn(message: Json, name: string): Record<string, string> {
  const entries = Object.entries(objectIn(message, name));
  for (const [key, value] of entries) {
    if (typeof value !== "string" || key === "" || /[=\0]/.test(key) || value.includes("\0")) {
      throw new CallError("invalid_argument", `${name}: "${key}" cannot be a variable`);
    }
  }
  return Object.fromEntries(entries) as Record<string, string>;
}
