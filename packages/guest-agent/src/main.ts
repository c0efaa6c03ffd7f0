/** The guest agent: an HTTP server that speaks envd's protocol; docs/guest-agent.md. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { statfs } from "node:fs/promises";
import { cpus, freemem, loadavg, totalmem } from "node:os";
import { CallError } from "./errors.ts";
import { openFilesystem } from "./filesystem.ts";
import { sendFile, takeFiles } from "./files.ts";
import { openProcesses } from "./processes.ts";
import { initialize, requireSignature, requireToken, type Session } from "./session.ts";
import { findUser, namedIn, pathFor, type User } from "./users.ts";
import { readMessage, sendError, sendJson, type Json } from "./wire.ts";

/** Where E2B's SDKs look for it. */
export const GUEST_PORT = 49_983;

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly user: User;
  readonly message: Json;
}

type Rpc = (call: Call) => unknown;

function rpcsOf(session: Session): Readonly<Record<string, Rpc>> {
  const processes = openProcesses(session);
  const files = openFilesystem(() => session.workdir);
  return {
    "/process.Process/Start": ({ request, response, user, message }) =>
      processes.start(request, response, user, message),
    "/process.Process/Connect": ({ request, response, message }) =>
      processes.connect(request, response, message),
    "/process.Process/List": () => processes.list(),
    "/process.Process/SendInput": ({ message }) => processes.sendInput(message),
    "/process.Process/CloseStdin": ({ message }) => processes.closeStdin(message),
    "/process.Process/SendSignal": ({ message }) => processes.sendSignal(message),
    "/filesystem.Filesystem/Stat": ({ user, message }) => files.stat(user, message),
    "/filesystem.Filesystem/MakeDir": ({ user, message }) => files.makeDir(user, message),
    "/filesystem.Filesystem/Move": ({ user, message }) => files.move(user, message),
    "/filesystem.Filesystem/ListDir": ({ user, message }) => files.listDir(user, message),
    "/filesystem.Filesystem/Remove": ({ user, message }) => files.remove(user, message),
    "/filesystem.Filesystem/WatchDir": ({ request, response, user, message }) =>
      files.watchDir(request, response, user, message),
    "/filesystem.Filesystem/CreateWatcher": ({ user, message }) =>
      files.createWatcher(user, message),
    "/filesystem.Filesystem/GetWatcherEvents": ({ message }) => files.getWatcherEvents(message),
    "/filesystem.Filesystem/RemoveWatcher": ({ message }) => files.removeWatcher(message),
  };
}

async function metrics(): Promise<object> {
  const { bsize, blocks, bavail } = await statfs("/");
  const count = cpus().length;
  return {
    ts: Math.floor(Date.now() / 1000),
    cpu_count: count,
    cpu_used_pct: Math.min(100, ((loadavg()[0] ?? 0) / count) * 100),
    mem_total: totalmem(),
    mem_used: totalmem() - freemem(),
    disk_total: blocks * bsize,
    disk_used: (blocks - bavail) * bsize,
  };
}

async function answerFiles(session: Session, { request, response }: Call, url: URL) {
  const isRead = request.method === "GET";
  if (!isRead && request.method !== "POST") {
    throw new CallError("unimplemented", `${request.method ?? ""} /files`);
  }
  if (url.searchParams.has("signature")) requireSignature(session, url, isRead ? "read" : "write");
  else requireToken(session, request.headers["x-access-token"]);
  const user = findUser(url.searchParams.get("username") ?? session.defaultUser);
  const { workdir } = session;
  if (!isRead) return await takeFiles(request, response, user, url.searchParams, workdir);
  return await sendFile(response, pathFor(user, url.searchParams.get("path") ?? "", workdir));
}

async function answer(
  session: Session,
  rpcs: Readonly<Record<string, Rpc>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://guest");
  const { pathname } = url;
  const { method, headers } = request;
  if (pathname === "/health") return void response.writeHead(204).end();
  if (pathname === "/init" && method === "POST") {
    initialize(session, await readMessage(request));
    return void response.writeHead(204).end();
  }
  const nobody = findUser(undefined);
  if (pathname === "/files") {
    return await answerFiles(session, { request, response, user: nobody, message: {} }, url);
  }
  requireToken(session, headers["x-access-token"]);
  if (pathname === "/metrics") return sendJson(response, 200, await metrics());
  if (pathname === "/envs") return sendJson(response, 200, session.variables);
  const rpc = Object.hasOwn(rpcs, pathname) ? rpcs[pathname] : undefined;
  if (rpc === undefined || method !== "POST") {
    throw new CallError("unimplemented", `this guest agent has no ${pathname.slice(0, 100)}`);
  }
  const user = findUser(namedIn(headers.authorization) ?? session.defaultUser);
  const said = await rpc({ request, response, user, message: await readMessage(request) });
  if (!response.headersSent) sendJson(response, 200, said);
}

/** Listens on all addresses: the host's forwarding comes in by the guest's interface. */
export async function startGuestAgent(port = GUEST_PORT, host = "0.0.0.0"): Promise<Server> {
  const session: Session = {
    token: undefined,
    variables: {},
    defaultUser: undefined,
    workdir: undefined,
  };
  const rpcs = rpcsOf(session);
  const server = createServer((request, response) => {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    answer(session, rpcs, request, response).catch((error: unknown) =>
      sendError(request, response, error),
    );
  });
  // A stream, or a connection that a proxy keeps, may be silent for as long as it likes; a paused
  // guest's clock stands still, and jumps when it goes on.
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.keepAliveTimeout = 0;
  await new Promise<void>((settle, fail) => {
    server.once("error", fail);
    server.listen(port, host, settle);
  });
  return server;
}

/** `[PORT]`; says so on standard output once it listens. */
export function main([port = String(GUEST_PORT)]: readonly string[]): void {
  startGuestAgent(Number(port)).then(
    () => process.stdout.write(`guest agent ready on port ${port}\n`),
    (error: unknown) => {
      process.stderr.write(`guest agent: ${String(error)}\n`);
      process.exitCode = 3;
    },
  );
}
