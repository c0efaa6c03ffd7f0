/**
 * `npm run chaos [kills] [seed]`: 500 kills of the agent by default, in two PID namespaces, on a
 * disk that fills. Needs root.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChaos } from "../packages/agent/test/chaos.ts";

const [kills = "500", seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
process.stderr.write(`seed ${seed}\n`);
const directory = realpathSync(mkdtempSync(join(tmpdir(), "ekc-")));
const start = performance.now();
try {
  const result = await runChaos({
    directory,
    kills: Number(kills),
    atOnce: 5,
    diskMib: 240,
    seed: Number(seed),
    progress: (text) => void process.stderr.write(`${text}\n`),
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  process.stdout.write(`${JSON.stringify({ ...result, seconds })}\n`);
  process.exitCode = result.violations.length === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
