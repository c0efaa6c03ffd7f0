/**
 * What V8 compiled, kept for the next run. Node.js does that by itself from 22.1 on, but keeps only
 * the functions that the first run called, and takes longer. The names of a build's files have a
 * digest of what is in them, so a name stands for its code.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  type Stats,
} from "node:fs";
import Module, { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { Script } from "node:vm";

/** As Node.js wraps a module's code. */
const WRAPPER = [
  "(function (exports, require, module, __filename, __dirname) { ",
  "\n});",
] as const;

type Compile = (this: NodeJS.Module, content: string, filename: string) => unknown;
type Wrapped = (
  exports: unknown,
  require: NodeJS.Require,
  module: NodeJS.Module,
  filename: string,
  directory: string,
) => unknown;

const OTHERS_WRITE = 0o022;

/** Whether only this user, besides root, can write it. */
export function isOwn({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & OTHERS_WRITE) === 0;
}

/** Of the file that is read, and no link: whoever writes it decides what this user runs. */
function readKept(path: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    return isOwn(fstatSync(fd)) ? readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Whoever reads it meanwhile sees all of it or nothing. A full disk is no reason to fail. */
function keep(path: string, code: Buffer): void {
  const unfinished = `${path}.${process.pid}`;
  try {
    writeFileSync(unfinished, code, { mode: 0o600 });
    renameSync(unfinished, path);
  } catch {
    // Then it is compiled again.
  }
}

/** Compiles all functions at once: which of them run differs from command to command. */
function compileAll(source: string, filename: string): Script {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  setFlagsFromString("--no-lazy");
  try {
    return new Script(source, { filename });
  } finally {
    // V8 keeps the flags with what it compiled, and takes it only under the same.
    setFlagsFromString("--lazy");
  }
}

function compile(source: string, filename: string, kept: string): Script {
  const cachedData = readKept(kept);
  if (cachedData !== undefined) {
    const script = new Script(source, { filename, cachedData });
    if (script.cachedDataRejected === false) return script;
  }
  const script = compileAll(source, filename);
  keep(kept, script.createCachedData());
  return script;
}

/**
 * From here on, for the modules in `own` that are loaded by `require`. Throws where nothing can be
 * kept in the directory.
 */
export function keepCompiled(own: string, directory: string): void {
  const place = join(directory, `${process.version}-${process.arch}`);
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const prototype = Module.prototype as unknown as { _compile: Compile };
  const { _compile: ordinary } = prototype;
  // oxlint-disable-next-line no-underscore-dangle -- as Node.js calls it
  prototype._compile = function compileKept(content, filename) {
    if (dirname(filename) !== own) return ordinary.call(this, content, filename);
    const source = WRAPPER.join(content);
    const script = compile(source, filename, join(place, `${basename(filename)}.code`));
    const run = script.runInThisContext() as Wrapped;
    return run.call(this.exports, this.exports, createRequire(filename), this, filename, own);
  };
}
