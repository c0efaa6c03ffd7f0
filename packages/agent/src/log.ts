/** The agent's log: JSON lines on standard error, since standard output is for results. */
import type { FastifyBaseLogger } from "fastify";
import { pino } from "pino";

export function openLogger(level: string): FastifyBaseLogger {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
