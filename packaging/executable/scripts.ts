/**
 * The command's scripts inside the executable: each is compiled when it is first asked for, with
 * the code that V8 had compiled at the build, where that is for this architecture.
 */
import { dirname } from "node:path";
import { getRawAsset } from "node:sea";
import { Script } from "node:vm";

/** A script's or its compiled code's bytes; undefined where there are none. */
export type Read = (name: string) => Buffer | undefined;

interface Loaded {
  readonly script: Script;
  readonly module: { exports: unknown };
}

export interface Scripts {
  readonly load: (name: string) => unknown;
  readonly loaded: ReadonlyMap<string, Loaded>;
}

/** As Node.js calls its own CommonJS modules; the build puts it around each script. */
export const WRAPPER = [
  "(function (require, module, exports, __filename, __dirname) {",
  "\n})",
] as const;

/** What V8 compiled is beside the script. */
export const compiledName = (name: string) => `${name}.code`;

type Wrapped = (
  require: (name: string) => unknown,
  module: object,
  exports: unknown,
  filename: string,
  directory: string,
) => void;

export function scriptsFrom(read: Read, builtIn: (name: string) => unknown): Scripts {
  const loaded = new Map<string, Loaded>();
  const load = (name: string): unknown => {
    const known = loaded.get(name);
    if (known !== undefined) return known.module.exports;
    const source = read(name);
    if (source === undefined) throw new Error(`${name} is not in the executable`);
    const cachedData = read(compiledName(name));
    // The build leaves ASCII only, which takes V8 half the memory and no decoding.
    const script = new Script(source.toString("latin1"), {
      filename: name,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    const module = { exports: {} };
    loaded.set(name, { script, module });
    const run = script.runInThisContext() as Wrapped;
    const find = (id: string) => (id.startsWith("./") ? load(id.slice(2)) : builtIn(id));
    run(find, module, module.exports, process.execPath, dirname(process.execPath));
    return module.exports;
  };
  return { load, loaded };
}

/** From the executable that runs. */
export const readAsset: Read = (name) => {
  try {
    return Buffer.from(getRawAsset(name) as ArrayBuffer);
  } catch {
    return undefined;
  }
};
