/**
 * Programs of the system that read what no small library reads: one process per question, with
 * bounded output and time. A missing one is named in the error, with its Debian package.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { printable } from "./entry.ts";
import { ImageError } from "./limits.ts";

export interface Tool {
  readonly command: string;
  /** Debian's package. */
  readonly package: string;
  /** What it is for: `squashfs`. */
  readonly reads: string;
}

/** More output than the listing of a full file system; a hostile image must not fill memory. */
const OUTPUT_LIMIT = 512 * 1024 * 1024;
/** A damaged image can make a reader run in circles. */
const TIMEOUT_MS = 10 * 60 * 1000;
const MOST_COMPLAINTS = 64 * 1024;

/** Where sbin is not on the path of ordinary users. */
const PATH = [process.env["PATH"] ?? "", "/usr/sbin", "/sbin"].join(":");
const ENVIRONMENT = { PATH, LC_ALL: "C", PAGER: "cat", DEBUGFS_PAGER: "cat" };

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Throws {@link ImageError} where the program is not installed. */
export function requireTool({ command, package: name, reads }: Tool): void {
  const directories = PATH.split(":").filter((directory) => directory !== "");
  if (directories.some((directory) => isExecutable(join(directory, command)))) return;
  throw new ImageError(`${reads} is read with ${command}: install ${name}`);
}

/** The last line that a program wrote about what is wrong. */
function complaintsOf(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text = (text + chunk.toString("utf8")).slice(-MOST_COMPLAINTS);
  });
  return () => printable(text.trim().split("\n").at(-1)?.trim() ?? "");
}

export interface RunOptions {
  readonly input?: string;
  /** Called now and then with a way to end the process for a reason, which is then thrown. */
  readonly watch?: (end: (reason: string) => void) => void;
  /** Exit codes that are no failure; 0 alone by default. */
  readonly accept?: readonly number[];
}

const WATCH_MS = 200;

/** What a program prints. Throws {@link ImageError} where it is missing, fails or is ended. */
export function runTool(
  tool: Tool,
  args: readonly string[],
  { input, watch, accept = [0] }: RunOptions = {},
): Promise<string> {
  requireTool(tool);
  return new Promise((resolve, reject) => {
    const child = spawn(tool.command, args, {
      env: ENVIRONMENT,
      stdio: ["pipe", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const complaint = complaintsOf(child);
    const output: Buffer[] = [];
    let size = 0;
    let ended: string | undefined;
    const end = (reason: string) => {
      ended ??= reason;
      child.kill("SIGKILL");
    };
    const timer = watch === undefined ? undefined : setInterval(() => watch(end), WATCH_MS);
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > OUTPUT_LIMIT) end(`${tool.command} printed more than ${OUTPUT_LIMIT} bytes`);
      else output.push(chunk);
    });
    child.on("error", (error) => {
      clearInterval(timer);
      reject(new ImageError(`${tool.command}: ${error.message}`, { cause: error }));
    });
    child.on("close", (code, signal) => {
      clearInterval(timer);
      if (ended !== undefined) reject(new ImageError(ended));
      else if (code !== null && accept.includes(code)) {
        resolve(Buffer.concat(output).toString("utf8"));
      } else reject(new ImageError(`${tool.command} failed (${signal ?? code}): ${complaint()}`));
    });
    // It may end before it has read everything; that is then what is reported.
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
  });
}

/**
 * A program's output as a stream, which fails with {@link ImageError} where the program does.
 * `input` is its standard input.
 */
export function streamTool(tool: Tool, args: readonly string[], input?: Readable): Readable {
  requireTool(tool);
  const child = spawn(tool.command, args, {
    env: ENVIRONMENT,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const complaint = complaintsOf(child);
  const output = new PassThrough();
  const fail = (why: string) =>
    output.destroy(new ImageError(why === "" ? `${tool.command} failed` : why));
  child.on("error", (error) => fail(`${tool.command}: ${error.message}`));
  // Its output ends before its exit code is known: only then is the stream at its end.
  child.stdout?.pipe(output, { end: false });
  child.on("close", (code, signal) => {
    if (code === 0) output.end();
    else fail(`${tool.command} failed (${signal ?? code}): ${complaint()}`);
  });
  output.on("close", () => {
    child.kill("SIGKILL");
    input?.destroy();
  });
  if (input !== undefined && child.stdin !== null) {
    child.stdin.on("error", () => {});
    input.on("error", (error) => fail(error.message));
    input.pipe(child.stdin);
  }
  return output;
}
