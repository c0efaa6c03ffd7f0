/** Waiting for guests that say they are ready over vsock, as Firecracker carries it. */
import { appendFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MicroVm, VmExit } from "@evenkeel/host";
import { expect, onTestFinished, test } from "vitest";
import { awaitReady } from "../src/templates/readiness.ts";
import { temporaryDirectory } from "./support.ts";

/** A microVM of which only the directory, the console and the end are looked at. */
function guestIn(directory: string, exited: Promise<VmExit> = new Promise(() => {})): MicroVm {
  const console = join(directory, "console.log");
  writeFileSync(console, "");
  const never = () => Promise.reject(new Error("not asked for"));
  const record = { directory, pid: 0, startTime: "0" };
  return { record, console, exited, pause: never, resume: never, snapshot: never, kill: never };
}

/** Firecracker's end of a vsock: a guest that listens on one port. */
async function listenOn(directory: string, port: number, serve: (socket: Socket) => void) {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (line) => {
      if (line.toString() !== `CONNECT ${port}\n`) return socket.destroy();
      socket.write("OK 1073741824\n");
      return serve(socket);
    });
  });
  await new Promise<void>((settle) => server.listen(join(directory, "vsock.sock"), settle));
  onTestFinished(() => void server.close());
}

const timeoutSeconds = 10;

test("a port that is listened to is ready, as soon as it is", async () => {
  const directory = temporaryDirectory();
  const ready = awaitReady(guestIn(directory), { kind: "vsock", port: 1024, timeoutSeconds });
  await sleep(100);
  await listenOn(directory, 1024, () => undefined);
  await expect(ready).resolves.toBeUndefined();
});

test("another port that is listened to is not", async () => {
  const directory = temporaryDirectory();
  await listenOn(directory, 1024, () => undefined);
  const asked = { kind: "vsock", port: 1025, timeoutSeconds: 1 } as const;
  await expect(awaitReady(guestIn(directory), asked)).rejects.toMatchObject({ code: "NOT_READY" });
});

test("an HTTP answer counts when it is 2xx", async () => {
  const directory = temporaryDirectory();
  const statuses = ["503 Not Yet", "404 Not Found", "204 No Content"];
  const seen: string[] = [];
  await listenOn(directory, 80, (socket) => {
    socket.once("data", (head) => {
      seen.push(head.toString().split("\r\n")[0] ?? "");
      socket.end(`HTTP/1.1 ${statuses[seen.length - 1]}\r\ncontent-length: 0\r\n\r\n`);
    });
  });
  const asked = { kind: "http", port: 80, path: "/health", timeoutSeconds } as const;
  await awaitReady(guestIn(directory), asked);
  expect(seen).toEqual(statuses.map(() => "GET /health HTTP/1.1"));
});

test("a text on the console is found across two writes, and among bytes that are no text", async () => {
  const directory = temporaryDirectory();
  const guest = guestIn(directory);
  const asked = { kind: "serial", text: "grüß login:", timeoutSeconds } as const;
  const ready = awaitReady(guest, asked);
  const text = Buffer.from("grüß login:");
  appendFileSync(guest.console, Buffer.concat([Buffer.from([0xff, 0]), text.subarray(0, 4)]));
  await sleep(100);
  appendFileSync(guest.console, text.subarray(4));
  await expect(ready).resolves.toBeUndefined();
});

test.each([
  { kind: "serial", text: "never", timeoutSeconds },
  { kind: "delay", milliseconds: 600_000 },
] as const)("a microVM that ends is not waited for: $kind", async (readiness) => {
  const gone = Promise.resolve({ code: 1, signal: undefined });
  const waiting = awaitReady(guestIn(temporaryDirectory(), gone), readiness);
  await expect(waiting).rejects.toMatchObject({
    code: "NOT_READY",
    message: expect.stringContaining("exited before it was ready"),
  });
});
