/**
 * Run at the build by the executable's own Node.js: `node warm.cjs DIRECTORY` keeps what V8
 * compiles of each script there, all its functions. None of them runs: what V8 compiles of a script as it runs differs
 * from run to run, and two builds would not be the same.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import { compiledName } from "./scripts.ts";

const [directory = ""] = process.argv.slice(2);
for (const name of readdirSync(directory)) {
  const source = readFileSync(join(directory, name), "latin1");
  setFlagsFromString("--no-lazy");
  const script = new Script(source, { filename: name });
  // V8 keeps the flags with what it compiled, and takes it only under the same.
  setFlagsFromString("--lazy");
  const cachedData = script.createCachedData();
  // What would not be taken is of no use, and says so now.
  if (new Script(source, { filename: name, cachedData }).cachedDataRejected === true) {
    throw new Error(`V8 does not take what it compiled of ${name}`);
  }
  writeFileSync(join(directory, compiledName(name)), cachedData);
}
