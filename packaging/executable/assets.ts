/** Files inside the executable. */
import { getAsset } from "node:sea";

export function ownText(name: string): string {
  return getAsset(name, "utf8");
}

/** A thread's code; in a module, so that it is strict, but with the `require` it was built for. */
export function ownThread(name: string): URL {
  const code = `const require = process.getBuiltinModule;\n${ownText(name)}`;
  return new URL(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
}
