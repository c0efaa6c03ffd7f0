/** Everything that is asked of a release, in the order of its transcript. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeTinyKernel } from "../../src/index.ts";
import {
  BEFORE_BOOT,
  bootWith,
  COMMANDS,
  FAILED_LOADS,
  LIFE,
  load,
  LOADS,
  METHODS,
  PATHS,
  TAKE,
  TEMPLATES,
  type Call,
} from "./calls.ts";
import { damage, DAMAGES } from "./states.ts";
import { converse, run, send, type Ended, type Exchange, type Said } from "./talk.ts";

export interface Heard {
  readonly name: string;
  readonly said?: readonly Exchange[];
  /** Where the process is expected to end by itself. */
  readonly ended?: Ended;
  readonly command?: Said;
}

/** What is asked together, in one directory. */
export interface Scenario {
  readonly name: string;
  /** `binary` is relative to nothing; `directory` is empty but for `file`, `kernel` and `log`. */
  readonly play: (binary: string, directory: string) => Promise<readonly Heard[]>;
}

/** The limit that Firecracker's HTTP server sets a body. */
const BODY_LIMIT = 51_200;

/** Requests that are not what their first line says, by what is odd about them. */
const RAW: Readonly<Record<string, string>> = {
  "a body of the limit's size": `PUT /machine-config HTTP/1.1\r\nContent-Length: ${BODY_LIMIT}\r\n\r\n${" ".repeat(BODY_LIMIT)}`,
  "a body beyond the limit": `PUT /machine-config HTTP/1.1\r\nContent-Length: ${BODY_LIMIT + 1}\r\n\r\n`,
  "a length that is no number": "PUT /machine-config HTTP/1.1\r\nContent-Length: x\r\n\r\n",
  "a length of zero": "PUT /machine-config HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
};

export function furnish(directory: string): void {
  writeFileSync(join(directory, "file"), Buffer.alloc(4096));
  writeFileSync(join(directory, "log"), "");
  writeTinyKernel(join(directory, "kernel"));
}

interface Talk {
  readonly name: string;
  readonly calls: readonly Call[];
  /** The process ends by itself after the last call, if that fails. */
  readonly ends?: boolean;
  readonly raw?: string;
}

async function talk(binary: string, directory: string, { name, calls, ends, raw }: Talk) {
  const conversation = await converse(binary, directory);
  try {
    const said: Exchange[] = [];
    for (const call of calls) said.push(await send(conversation.socket, call, raw));
    const failed = said.at(-1)?.status !== "204";
    const ended = ends === true && failed ? { ended: await conversation.ended() } : {};
    return { name, said, ...ended };
  } finally {
    await conversation.kill();
  }
}

function talks(name: string, list: readonly Talk[], prepare?: Call[]): Scenario {
  return {
    name,
    play: async (binary, directory) => {
      if (prepare !== undefined) {
        await talk(binary, directory, { name: "", calls: prepare });
      }
      const heard: Heard[] = [];
      for (const one of list) heard.push(await talk(binary, directory, one));
      return heard;
    },
  };
}

const commands: Scenario = {
  name: "command lines",
  play: async (binary, directory) =>
    COMMANDS.map((args) => ({ name: args.join(" "), command: run(binary, directory, args) })),
};

const states: Scenario = {
  name: "state files",
  play: async (binary, directory) => {
    await talk(binary, directory, { name: "", calls: TAKE });
    copyFileSync(join(directory, "s"), join(directory, "s.whole"));
    const heard: Heard[] = [];
    for (const name of Object.keys(DAMAGES)) {
      damage(directory, name);
      heard.push({ name, command: run(binary, directory, ["--describe-snapshot", "s"]) });
      const ends = name !== "none";
      heard.push(await talk(binary, directory, { name, calls: [load()], ends }));
    }
    return heard;
  },
};

export const SCENARIOS: readonly Scenario[] = [
  commands,
  talks("before a boot", [{ name: "one process", calls: BEFORE_BOOT }]),
  talks("paths", [{ name: "one process", calls: PATHS }]),
  talks(
    "methods",
    METHODS.map((call) => ({ name: call, calls: [call] })),
  ),
  talks(
    "odd requests",
    Object.entries(RAW).map(([name, raw]) => ({ name, calls: [name], raw })),
  ),
  talks(
    "templates",
    Object.entries(TEMPLATES).map(([name, text]) => ({ name, calls: bootWith(text) })),
  ),
  talks("after a boot", [{ name: "one process", calls: LIFE }]),
  talks(
    "loads",
    Object.entries(LOADS).map(([name, calls]) => ({ name, calls })),
    [...TAKE],
  ),
  talks(
    "failed loads",
    Object.entries(FAILED_LOADS).map(([name, call]) => ({ name, calls: [call], ends: true })),
    [...TAKE],
  ),
  states,
];
