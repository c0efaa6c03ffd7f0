/** Which methods a path has, because a wrong method gets a different answer from a wrong path. */
import { AGENT_ROUTES } from "@evenkeel/api";

const PATHS = new Map<string, Set<string>>([["/openapi.json", new Set(["GET"])]]);
for (const { url, method } of Object.values(AGENT_ROUTES)) {
  PATHS.set(url, (PATHS.get(url) ?? new Set<string>()).add(method));
}

function fits(pattern: string, parts: readonly string[]): boolean {
  const expected = pattern.split("/");
  return (
    expected.length === parts.length &&
    expected.every((part, i) => part === parts[i] || (part.startsWith(":") && parts[i] !== ""))
  );
}

/** The methods of a path, sorted; empty where there is no such path. */
export function methodsOf(url: string): string[] {
  const parts = (url.split("?", 1)[0] ?? "").split("/");
  const found = [...PATHS].filter(([pattern]) => fits(pattern, parts));
  return [...new Set(found.flatMap(([, methods]) => [...methods]))].toSorted();
}
