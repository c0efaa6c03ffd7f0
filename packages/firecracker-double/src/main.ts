/** Firecracker's main: arguments, then one microVM from the API or from a file. */
import { appendFileSync, readFileSync, writeSync } from "node:fs";
import { ArgumentError, helpText, readArguments, type Arguments } from "./arguments.ts";
import { FaultError } from "./fault.ts";
import { createMicrovm, type Microvm } from "./microvm.ts";
import type { Action, Body } from "./requests.ts";
import { createApi } from "./server.ts";
import { readSettings, type DoubleSettings, type Ending } from "./settings.ts";
import { LINE, lineNumber } from "./versions.ts";

const STDOUT = 1;
const STDERR = 2;
const BODY_LIMIT = "51200";
const EXIT = { ok: 0, generic: 1, arguments: 153 } as const;

function print(line: string): void {
  writeSync(STDOUT, `${line}\n`);
}

function end({ code = 0, signal, stderr = "" }: Ending): void {
  if (stderr !== "") writeSync(STDERR, stderr);
  if (signal === undefined) process.exit(code);
  process.kill(process.pid, signal);
}

/** Firecracker's log goes to its standard output unless it has a file of its own. */
function logger(id: string, file: string | undefined): (text: string) => void {
  return (text) => {
    const line = `${new Date().toISOString().replace("Z", "000000")} [${id}:main] ${text}`;
    if (file === undefined) print(line);
    else appendFileSync(file, `${line}\n`);
  };
}

async function describe(path: string): Promise<number> {
  const { formatOf } = await import("./state-file.ts");
  try {
    print(`v${formatOf(readFileSync(path))}`);
    return EXIT.ok;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    writeSync(STDERR, `Error: PrintSnapshotDataFormat(${words})\n`);
    return EXIT.generic;
  }
}

/** What only prints and ends; undefined where a microVM is wanted. */
async function information(args: Arguments, version: string): Promise<number | undefined> {
  const { flags, values } = args;
  if (flags.has("help")) writeSync(STDOUT, helpText(version));
  else if (flags.has("version")) print(`Firecracker v${version}\n`);
  else if (flags.has("snapshot-version")) {
    const { snapshotFormat } = await import("@evenkeel/core");
    print(`v${snapshotFormat(version)}`);
  } else {
    const file = values.get("describe-snapshot");
    return file === undefined ? undefined : describe(file);
  }
  return EXIT.ok;
}

/** The actions of a configuration file, in Firecracker's order. */
function actionsOf(config: Record<string, unknown>, line: number): Action[] {
  const of = (key: string) => config[key] as Body | undefined;
  const list = (key: string) => (config[key] ?? []) as Body[];
  const actions: Action[] = [];
  const machine = of("machine-config");
  if (machine !== undefined) actions.push({ kind: "machine", body: machine });
  const cpu = config["cpu-config"];
  if (typeof cpu === "string") {
    actions.push({ kind: "cpu", body: JSON.parse(readFileSync(cpu, "utf8")) as Body });
  } else if (cpu !== undefined && cpu !== null) {
    if (line < LINE.templateInConfig) throw new Error("invalid type: map, expected path string");
    actions.push({ kind: "cpu", body: cpu as Body });
  }
  const source = of("boot-source");
  if (source === undefined) throw new Error("missing field `boot-source`");
  actions.push({ kind: "boot-source", body: source });
  for (const body of list("drives")) actions.push({ kind: "drive", body });
  for (const body of list("network-interfaces")) actions.push({ kind: "network", body });
  actions.push({ kind: "start" });
  return actions;
}

async function bootFromFile(text: string, microvm: Microvm, line: number): Promise<void> {
  const config = JSON.parse(text) as Record<string, unknown>;
  if ((text.match(/"cpu-config"\s*:/g) ?? []).length > 1) {
    throw new Error("duplicate field `cpu-config`");
  }
  for (const action of actionsOf(config, line)) await microvm.handle(action);
}

function listen(microvm: Microvm, path: string, limit: number, log: (text: string) => void) {
  return new Promise<void>((resolve, reject) => {
    const server = createApi({ microvm, limit, end });
    server.once("error", reject);
    server.listen(path, () => {
      log(`Listening on API socket (${JSON.stringify(path)}).`);
      resolve();
    });
  });
}

async function run({ values, flags }: Arguments, settings: DoubleSettings): Promise<void> {
  const id = values.get("id") ?? "anonymous-instance";
  const log = logger(id, values.get("log-path"));
  log(`Running Firecracker v${settings.version}`);
  const start = settings.endings?.["start"];
  if (start !== undefined) end(start);
  const delay = settings.delays?.["start"] ?? 0;
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  const file = values.get("config-file");
  const config = file === undefined ? undefined : readFileSync(file, "utf8");
  const halt = () => setImmediate(() => end({ code: EXIT.ok }));
  const microvm = createMicrovm({ id, settings, print, halt });
  if (!flags.has("no-api")) {
    const limit = Number(values.get("http-api-max-payload-size") ?? BODY_LIMIT);
    await listen(microvm, values.get("api-sock") ?? "/run/firecracker.socket", limit, log);
  }
  if (config !== undefined) await bootFromFile(config, microvm, lineNumber(settings.version));
  // A guest without an API keeps its process alive by itself.
  setInterval(() => undefined, 1 << 30);
}

function failure(error: unknown, values: ReadonlyMap<string, string>): string {
  if (error instanceof FaultError) return `BuildFromJson(${error.message})`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") return `RunWithApi(FailedToBindSocket("${values.get("api-sock")}"))`;
  return message;
}

const settings = readSettings();
try {
  const args = readArguments(process.argv.slice(2));
  const done = await information(args, settings.version);
  if (done !== undefined) end({ code: done });
  else {
    await run(args, settings).catch((error: unknown) => {
      end({ code: EXIT.generic, stderr: `Error: ${failure(error, args.values)}\n` });
    });
  }
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error;
  end({ code: EXIT.arguments, stderr: `Error: ParseArguments(${error.message})\n` });
}
