/** Aggregates of the store, which drivers give as text or as what it says. */
import { sql, type SQL } from "drizzle-orm";

/** A column of jsonb. */
export function jsonOf<T>(expression: SQL) {
  return sql<T>`${expression}`.mapWith((value: unknown) =>
    typeof value === "string" ? (JSON.parse(value) as T) : (value as T),
  );
}

/** A count, which drivers give as text. */
export function countOf(expression: SQL) {
  return sql<number>`${expression}`.mapWith(Number);
}

/** `word` anywhere in a text, whatever it has of LIKE's own marks. */
export function containing(word: string): string {
  return `%${word.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
}
