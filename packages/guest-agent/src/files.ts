/** `GET /files` and `POST /files`: whole files, as they come. */
import { createReadStream, createWriteStream } from "node:fs";
import { chown, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { basename, dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { CallError } from "./errors.ts";
import { makeDirectory } from "./filesystem.ts";
import { pathFor, type User } from "./users.ts";
import { readAll, sendJson } from "./wire.ts";

/** A form is read into memory; larger files are sent as application/octet-stream. */
const FORM_LIMIT = 256 * 1024 * 1024;

export async function sendFile(response: ServerResponse, path: string): Promise<void> {
  const found = await stat(path);
  if (!found.isFile()) throw new CallError("invalid_argument", `${path} is not a file`);
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": found.size,
    "content-disposition": `inline; filename*=UTF-8''${encodeURIComponent(basename(path))}`,
  });
  // What is appended while it is read is not part of what was promised.
  const end = Math.max(0, found.size - 1);
  const content = found.size === 0 ? Readable.from([]) : createReadStream(path, { end });
  await pipeline(content, response).catch(() => response.destroy());
}

async function write(path: string, user: User, content: NodeJS.ReadableStream): Promise<object> {
  await makeDirectory(dirname(path), user);
  await pipeline(content, createWriteStream(path));
  if (process.getuid?.() === 0) await chown(path, user.uid, user.gid);
  return { name: basename(path), path, type: "file" };
}

async function writeForm(
  request: IncomingMessage,
  place: (path: string) => string,
  user: User,
  path: string | null,
): Promise<object[]> {
  const type = request.headers["content-type"] ?? "";
  const body = await readAll(request, FORM_LIMIT);
  const form = await new Response(body, { headers: { "content-type": type } })
    .formData()
    .catch((cause: unknown) => {
      throw new CallError("invalid_argument", "the form cannot be read", { cause });
    });
  const written: object[] = [];
  for (const part of form.getAll("file")) {
    if (typeof part === "string") continue;
    const content = Readable.from(Buffer.from(await part.arrayBuffer()));
    written.push(await write(place(path ?? part.name), user, content));
  }
  if (written.length > 0) return written;
  throw new CallError("invalid_argument", "the form has no file");
}

export async function takeFiles(
  request: IncomingMessage,
  response: ServerResponse,
  user: User,
  query: URLSearchParams,
  workdir: string | undefined,
): Promise<void> {
  const place = (path: string) => pathFor(user, path, workdir);
  const path = query.get("path");
  if (request.headers["content-type"]?.startsWith("multipart/form-data") === true) {
    sendJson(response, 200, await writeForm(request, place, user, path));
    return;
  }
  if (path === null || path === "") throw new CallError("invalid_argument", "path: is missing");
  const isPacked = request.headers["content-encoding"] === "gzip";
  const content = isPacked ? request.pipe(createGunzip()) : request;
  sendJson(response, 200, [await write(place(path), user, content)]);
}
