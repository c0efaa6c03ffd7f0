/**
 * Never placed where it dies, at length: `npx tsx --conditions=@evenkeel/source bench/placed.ts [COUNT]`,
 * 500 guests unless told otherwise, on doubles of three unlike nodes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeGuests } from "../packages/cli/test/placed.ts";

const count = Number(process.argv[2] ?? "500");
const directory = mkdtempSync(join(tmpdir(), "ek-"));
const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
try {
  const result = await placeGuests(directory, count, (text) => {
    process.stdout.write(`${seconds()} s  ${text}\n`);
  });
  process.stdout.write(`${JSON.stringify(result)}\n${seconds()} s\n`);
  process.exitCode = result.died.length === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
