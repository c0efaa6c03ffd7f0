/** Firecracker's main: arguments, then one microVM from the API or from a file. */
import { appendFileSync, existsSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { ArgumentError, helpText, readArguments, type Arguments } from "./arguments.ts";
import { Failure, osDebug } from "./failure.ts";
import { FaultError, osReason } from "./fault.ts";
import { createMicrovm, type Microvm } from "./microvm.ts";
import type { Action, Body } from "./requests.ts";
import { createApi } from "./server.ts";
import { readSettings, type DoubleSettings, type Ending } from "./settings.ts";
import { LINE, lineNumber } from "./versions.ts";

const STDOUT = 1;
const STDERR = 2;
const BODY_LIMIT = "51200";
const EXIT = { ok: 0, generic: 1, configuration: 152, arguments: 153 } as const;
const LEVELS = new Set(["off", "trace", "debug", "info", "warn", "warning", "error"]);

function print(line: string): void {
  writeSync(STDOUT, `${line}\n`);
}

function end({ code = 0, signal, stderr = "" }: Ending): void {
  if (stderr !== "") writeSync(STDERR, stderr);
  if (signal === undefined) process.exit(code);
  process.kill(process.pid, signal);
}

type Log = (text: string) => void;

/** Firecracker's log goes to its standard output unless it has a file of its own. */
function logger(id: string, file: string | undefined): Log {
  return (text) => {
    const line = `${new Date().toISOString().replace("Z", "000000")} [${id}:main] ${text}`;
    if (file === undefined) print(line);
    else appendFileSync(file, `${line}\n`);
  };
}

/** As the process starts, before it has been told where to log and who it is. */
let log: Log = logger("anonymous-instance", undefined);

function succeed(): void {
  log("Firecracker exiting successfully. exit_code=0");
  end({ code: EXIT.ok });
}

function fail({ message, debug, code }: Failure): void {
  if (message !== "") log(message);
  log(`Firecracker exiting with error. exit_code=${code}`);
  end({ code, stderr: `Error: ${debug}\n` });
}

async function describe(path: string, version: string): Promise<void> {
  const { describeState } = await import("./describe.ts");
  print(`v${describeState(path, version)}`);
}

/** What only prints and ends; whether that was all. */
async function inform({ flags, values }: Arguments, version: string): Promise<boolean> {
  const file = values.get("describe-snapshot");
  if (flags.has("help")) writeSync(STDOUT, helpText(version));
  else if (flags.has("version")) print(`Firecracker v${version}\n`);
  else if (flags.has("snapshot-version")) {
    const { snapshotFormat } = await import("@evenkeel/core");
    print(`v${snapshotFormat(version)}`);
  } else if (file === undefined) return false;
  else await describe(file, version);
  return true;
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

const RESTORE_FAILED = new Failure("", "RunWithApi(BuildMicroVmError(Restore))");

/** Node says EACCES where the socket's directory is not there. */
function bindFailure(error: NodeJS.ErrnoException, path: string): Failure {
  if (error.code === "EADDRINUSE") {
    const words = `Failed to open the API socket at: ${path}. Check that it is not already used.`;
    const debug = `RunWithApi(FailedToBindSocket(${JSON.stringify(path)}))`;
    return new Failure(`RunWithApiError error: ${words}`, debug);
  }
  const cause = existsSync(dirname(path)) ? error : { code: "ENOENT" };
  const words = `Failed to bind and run the HTTP server: IO error: ${osReason(cause)}`;
  const debug = `RunWithApi(FailedToBindAndRunHttpServer(IOError(${osDebug(cause)})))`;
  return new Failure(`RunWithApiError error: ${words}`, debug);
}

function listen(microvm: Microvm, path: string, limit: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createApi({ microvm, limit, end, fail: () => fail(RESTORE_FAILED) });
    server.once("error", (error) => reject(bindFailure(error, path)));
    server.listen(path, () => {
      log(`Listening on API socket (${JSON.stringify(path)}).`);
      resolve();
    });
  });
}

function checkLevel(level: string | undefined): void {
  if (level === undefined || LEVELS.has(level.toLowerCase())) return;
  const words = `Failed to parse string to level filter: ${level}`;
  throw new Failure(
    `Invalid value for logger level: ${words}.Possible values: [Error, Warning, Info, Debug]`,
    `InvalidLogLevel(LevelFilterFromStrError(${JSON.stringify(level)}))`,
    EXIT.configuration,
  );
}

function openLog(id: string, file: string | undefined): void {
  try {
    if (file !== undefined) appendFileSync(file, "");
  } catch (error) {
    throw new Failure(
      `Could not initialize logger: Failed to open target file: ${osReason(error)}`,
      `LoggerInitialization(LoggerUpdateError(${osDebug(error)}))`,
    );
  }
  log = logger(id, file);
}

async function run({ values, flags }: Arguments, settings: DoubleSettings): Promise<void> {
  const id = values.get("id") ?? "anonymous-instance";
  checkLevel(values.get("level"));
  openLog(id, values.get("log-path"));
  log(`Running Firecracker v${settings.version}`);
  const start = settings.endings?.["start"];
  if (start !== undefined) end(start);
  const delay = settings.delays?.["start"] ?? 0;
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  const file = values.get("config-file");
  const config = file === undefined ? undefined : readFileSync(file, "utf8");
  const halt = () => setImmediate(succeed);
  const microvm = createMicrovm({ id, settings, print, halt });
  if (!flags.has("no-api")) {
    const limit = Number(values.get("http-api-max-payload-size") ?? BODY_LIMIT);
    await listen(microvm, values.get("api-sock") ?? "/run/firecracker.socket", limit);
  }
  if (config !== undefined) await bootFromFile(config, microvm, lineNumber(settings.version));
  // A guest without an API keeps its process alive by itself.
  setInterval(() => undefined, 1 << 30);
}

function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ArgumentError) {
    const words = `Arguments parsing error: ${error.message} \\n\\nFor more information try --help.`;
    return new Failure(words, `ParseArguments(${error.debug})`, EXIT.arguments);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(message, error instanceof FaultError ? `BuildFromJson(${message})` : message);
}

const settings = readSettings();
try {
  const args = readArguments(process.argv.slice(2), settings.version);
  if (await inform(args, settings.version)) succeed();
  else await run(args, settings);
} catch (error) {
  fail(failureOf(error));
}
