/** The way in to a sandbox's ports, and what is said to those who do not get in. */
import type { IncomingMessage } from "node:http";
import { messageOf } from "../errors.ts";
import { PortError } from "../http/tunnels.ts";
import { isHealth, mayReach } from "./admit.ts";
import { E2bError, e2bAnswerOf, type E2bAnswer } from "./errors.ts";
import { GUEST_PORT, type Place } from "./gate.ts";
import { ensureRunning, type E2b } from "./lifecycle.ts";
import type { Target } from "./target.ts";

/** How long a resume that failed answers those who come after it. */
const FAILED_MS = 5000;
const CONNECTION_FAILED = "the connection failed";

/** 502 is what SDKs take for "not running"; its body has E2B's members. */
function notRunning(sandbox: string, why: string): E2bError {
  return new E2bError(502, `sandbox ${sandbox}: ${why}`, "sandbox_not_running");
}

/** One resume at a time, however many ask: each writes to the store, and may start a transfer. */
async function wake(e2b: E2b, sandbox: string, { team, timeoutSeconds }: Place): Promise<void> {
  const { gate, waking } = e2b;
  let one = waking.get(sandbox);
  if (one === undefined) {
    const actor = { kind: "team", name: team } as const;
    one = ensureRunning(e2b, actor, sandbox, timeoutSeconds).then((resumed) => {
      // Another server has resumed it, and it is not where it was.
      if (!resumed) gate.forget(sandbox);
      return resumed;
    });
    waking.set(sandbox, one);
    const forget = () => void waking.delete(sandbox);
    one.then(forget, () => void setTimeout(forget, FAILED_MS).unref());
  }
  await one;
}

/** Throws 401, 502; resumes a paused sandbox that was created so. */
export async function admit(e2b: E2b, asked: IncomingMessage, target: Target): Promise<Place> {
  const { gate, tokens } = e2b;
  const { sandbox, port } = target;
  const place = await gate.placeOf(sandbox);
  if (place === undefined) throw notRunning(sandbox, "was not found");
  if (!mayReach(asked, target, place.publicTraffic, tokens)) {
    throw new E2bError(401, `port ${port} of sandbox ${sandbox}: the token is missing or wrong`);
  }
  if (place.state === "running") return place;
  // Asking whether it runs, which takes no token, does not make it run.
  const isQuestion = port === GUEST_PORT && isHealth(asked);
  if (!place.autoResume || isQuestion) throw notRunning(sandbox, `is ${place.state}`);
  await wake(e2b, sandbox, place);
  const now = await gate.placeOf(sandbox);
  if (now === undefined) throw notRunning(sandbox, "was not found");
  return now;
}

/** What went wrong between here and a guest, whose details are not for callers. */
export function brokenConnection(error: unknown): PortError {
  return error instanceof PortError ? error : new PortError("FAILED", CONNECTION_FAILED);
}

/** What an error is to a caller, who may be anybody; what nobody foresaw is reported. */
export function answerTo({ desk }: E2b, error: unknown, { sandbox, port }: Target): E2bAnswer {
  if (error instanceof PortError) {
    if (error.code === "FAILED") return e2bAnswerOf(notRunning(sandbox, CONNECTION_FAILED));
    const why = error.code === "PORT_CLOSED" ? `nothing listens on port ${port}` : error.message;
    return e2bAnswerOf(notRunning(sandbox, why));
  }
  const known = e2bAnswerOf(error);
  if (error instanceof E2bError || known.status !== 500) return known;
  desk.context.report(`a request to sandbox ${sandbox}`, messageOf(error));
  return e2bAnswerOf(notRunning(sandbox, CONNECTION_FAILED));
}
