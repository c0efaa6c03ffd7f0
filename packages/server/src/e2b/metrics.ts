/** A sandbox's metrics: what its guest's agent says now. Nothing is kept, so that a range has one. */
import { z } from "zod";
import type { Gate } from "./gate.ts";

const Said = z.object({
  ts: z.number(),
  cpu_count: z.number(),
  cpu_used_pct: z.number(),
  mem_used: z.number(),
  mem_total: z.number(),
  mem_cache: z.number().default(0),
  disk_used: z.number().default(0),
  disk_total: z.number().default(0),
});

export async function metricsOf(gate: Gate, sandbox: string, accessToken: string) {
  const { status, text } = await gate.askGuest(sandbox, {
    method: "GET",
    path: "/metrics",
    token: accessToken,
  });
  const said = Said.safeParse(status === 200 ? JSON.parse(text) : undefined);
  if (!said.success) return [];
  const { ts, cpu_count, cpu_used_pct, mem_used, mem_total, mem_cache, disk_used, disk_total } =
    said.data;
  return [
    {
      timestamp: new Date(ts * 1000).toISOString(),
      timestampUnix: ts,
      cpuCount: cpu_count,
      cpuUsedPct: cpu_used_pct,
      memUsed: mem_used,
      memTotal: mem_total,
      memCache: mem_cache,
      diskUsed: disk_used,
      diskTotal: disk_total,
    },
  ];
}
