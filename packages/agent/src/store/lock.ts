/** One agent per data directory. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { startTimeOf } from "@evenkeel/host";
import { AgentError } from "../errors.ts";

function holderOf(path: string): number | undefined {
  try {
    const [pid = "", startTime] = readFileSync(path, "utf8").trim().split(" ");
    const running = startTimeOf(Number(pid));
    return running !== undefined && running === startTime ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Takes a data directory, also from an agent that was killed; throws DATA_IN_USE. The function
 * that it returns lets go of it.
 */
export function lock(path: string): () => void {
  const holder = holderOf(path);
  if (holder !== undefined) {
    throw new AgentError("DATA_IN_USE", `${path}: the agent with pid ${holder} runs here`);
  }
  rmSync(path, { force: true });
  try {
    writeFileSync(path, `${process.pid} ${startTimeOf(process.pid)}\n`, {
      flag: "wx",
      mode: 0o600,
    });
  } catch (cause) {
    throw new AgentError("DATA_IN_USE", `${path}: another agent has just taken it`, { cause });
  }
  return () => rmSync(path, { force: true });
}
