/**
 * Symbols of C++ and Rust as people read them. Only nested names of plain identifiers, which is
 * what functions of libraries have; anything else is left as it is.
 * Source: Itanium C++ ABI, 5.1 "External Names"; Rust's legacy mangling ends in a hash.
 */

const RUST_HASH = /^h[0-9a-f]{16}$/;

/** The identifiers of `7simdutf7icelake…E`; undefined where there is something else in between. */
function identifiers(mangled: string): string[] | undefined {
  const names: string[] = [];
  let at = 0;
  while (at < mangled.length && mangled[at] !== "E") {
    const digits = /^[1-9]\d{0,3}/.exec(mangled.slice(at, at + 4))?.[0];
    if (digits === undefined) return undefined;
    const start = at + digits.length;
    at = start + Number(digits);
    if (at > mangled.length) return undefined;
    names.push(mangled.slice(start, at));
  }
  return names.length === 0 ? undefined : names;
}

/** `_ZNK7simdutf7icelake4testEPKc` is `simdutf::icelake::test`. */
export function plainName(symbol: string): string {
  const [, nested, single] = /^_Z(?:N[VrK]*(.*)|(\d.*))$/.exec(symbol) ?? [];
  if (nested === undefined) return single === undefined ? symbol : (first(single) ?? symbol);
  const names = identifiers(nested);
  if (names === undefined) return symbol;
  const last = names.at(-1) ?? "";
  return (RUST_HASH.test(last) ? names.slice(0, -1) : names).join("::");
}

/** The one identifier of a function outside of namespaces. */
function first(mangled: string): string | undefined {
  const [, digits = "", rest = ""] = /^(\d{1,3})(.*)$/.exec(mangled) ?? [];
  const length = Number(digits);
  return length === 0 || length > rest.length ? undefined : rest.slice(0, length);
}
