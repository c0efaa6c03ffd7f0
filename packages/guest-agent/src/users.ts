/** Who a call acts for: `Authorization: Basic base64("user:")`, or the default user. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CallError } from "./errors.ts";

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** One line of passwd(5). */
function userOf(line: string): User | undefined {
  const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
  if (name === "" || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), home: home === "" ? "/" : home };
}

function users(): User[] {
  try {
    return readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .flatMap((line) => userOf(line) ?? []);
  } catch {
    return [];
  }
}

/** Who this process is: an image without /etc/passwd has nobody else. */
function ownUser(): User {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return { name: uid === 0 ? "root" : String(uid), uid, gid, home: process.env["HOME"] ?? "/" };
}

/** Throws unauthenticated where there is no such user, or this process may not act for it. */
export function findUser(name: string | undefined): User {
  const own = ownUser();
  const all = users();
  const me = all.find(({ uid }) => uid === own.uid) ?? own;
  if (name === undefined || name === "" || name === me.name) return me;
  const user = all.find((one) => one.name === name);
  if (user === undefined) throw new CallError("unauthenticated", `there is no user ${name}`);
  if (own.uid === 0) return user;
  throw new CallError("unauthenticated", `the guest agent runs as ${me.name}, not as root`);
}

/** The name in an Authorization header; undefined where there is none. */
export function namedIn(header: string | undefined): string | undefined {
  const encoded = /^Basic ([\w+/=-]+)$/.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  return Buffer.from(encoded, "base64").toString("utf8").split(":", 1)[0];
}

/** An absolute path: `~` and relative ones are in the user's home or the default directory. */
export function pathFor(user: User, path: string, workdir?: string): string {
  if (path.includes("\0")) throw new CallError("invalid_argument", "path: contains a NUL");
  const base = workdir ?? user.home;
  if (path === "~" || path.startsWith("~/")) return resolve(user.home, `.${path.slice(1)}`);
  return resolve(base, path);
}
