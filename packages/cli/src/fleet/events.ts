/** The server's events, until the server goes away or the caller stops. */
import { request } from "node:https";
import { CliError } from "../errors.ts";
import type { FleetContext } from "./contexts.ts";

/** What no event reports, such as a node's load, is refreshed this often. */
const LOOK_MS = 5000;
/** Events in quick succession count as one. */
const GATHER_MS = 100;

/**
 * Calls `changed` when something has happened, one call at a time. Throws FLEET_UNREACHABLE when
 * the connection is lost, and what `changed` throws.
 */
export async function followEvents(
  { server, ca, token }: FleetContext,
  changed: () => Promise<void>,
): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  await new Promise<void>((_, fail) => {
    let timer: NodeJS.Timeout | undefined;
    const look = () => {
      clearTimeout(timer);
      changed().then(() => later(LOOK_MS), fail);
    };
    const later = (milliseconds: number) => {
      clearTimeout(timer);
      timer = setTimeout(look, milliseconds);
    };
    const gone = (why: string) => {
      clearTimeout(timer);
      fail(new CliError("FLEET_UNREACHABLE", `${server}: ${why}`));
    };
    const sent = request(new URL("/v1/events", server), { headers, ca }, (response) => {
      if (response.statusCode !== 200) gone(`HTTP ${response.statusCode}`);
      response.on("data", (part: Buffer) => {
        if (part.toString("utf8").includes("data: ")) later(GATHER_MS);
      });
      response.on("error", ({ message }) => gone(message));
      response.on("end", () => gone("the server closed the event stream"));
    });
    sent.on("error", ({ message }) => gone(message));
    sent.end();
    later(LOOK_MS);
  });
}
