/** `npm run soak`: 500 lives of sandboxes, 20 at a time, with the agent and microVMs killed. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { printedSeed, randomFrom } from "../packages/agent/test/random.ts";
import { runSoak } from "../packages/agent/test/soak.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "eks-")));
const start = performance.now();
try {
  const result = await runSoak({
    directory,
    lifecycles: Number(process.argv[2] ?? "500"),
    atOnce: 20,
    answersPerKill: 60,
    killVm: 0.1,
    random: randomFrom(printedSeed("soak")),
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  process.stdout.write(`${JSON.stringify({ ...result, seconds })}\n`);
  process.exitCode = result.violations.length === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
