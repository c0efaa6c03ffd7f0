/** Counts and times an operation. */
import { AgentError } from "../errors.ts";
import type { Metrics } from "../metrics.ts";

export async function timed<T>(
  { operations, seconds }: Metrics,
  operation: string,
  run: () => Promise<T>,
): Promise<T> {
  const start = performance.now();
  let result = "ok";
  try {
    return await run();
  } catch (error) {
    result = error instanceof AgentError ? error.code : "AGENT_DEFECT";
    throw error;
  } finally {
    operations.add({ operation, result });
    seconds.observe((performance.now() - start) / 1000, { operation });
  }
}
