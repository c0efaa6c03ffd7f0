/**
 * C++ and Rust names as people write them, as far as that is simple: the qualified name without
 * its parameters. Source: Itanium C++ ABI, "Mangling", nested names; Rust's legacy mangling.
 */

function componentsOf(mangled: string): string[] {
  const start = /^_ZN[rVK]*[RO]?/.exec(mangled)?.[0].length ?? (mangled.startsWith("_Z") ? 2 : 0);
  const parts: string[] = [];
  if (start === 0) return parts;
  for (let at = start; at < mangled.length;) {
    const digits = /^\d+/.exec(mangled.slice(at))?.[0];
    if (digits === undefined) break;
    const from = at + digits.length;
    parts.push(mangled.slice(from, from + Number(digits)));
    at = from + Number(digits);
  }
  return parts;
}

/** Rust ends its names with a hash of 16 digits. */
const RUST_HASH = /^h[\da-f]{16}$/;

export function readableName(name: string): string {
  const parts = componentsOf(name)
    .filter((part) => !RUST_HASH.test(part))
    .map((part) => (part.startsWith("_GLOBAL__N_") ? "(anonymous)" : part));
  return parts.length === 0 ? name : parts.join("::");
}
