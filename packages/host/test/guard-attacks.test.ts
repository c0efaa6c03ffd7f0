/** What somebody who wants past the guard might try. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { compareLines, knownLine } from "@evenkeel/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { BACKENDS, doubleOf } from "./firecrackers.ts";
import { contractIn, CREATE, faultOf, guardedNodes, load } from "./guarded.ts";
import { appears, call, leftovers, run } from "./launched.ts";
import { temporaryDirectory } from "./pool.ts";

/** Sends bytes as they are, and waits until they were answered or refused. */
function raw(socketPath: string, bytes: Buffer): Promise<void> {
  return new Promise((settle) => {
    const socket = connect(socketPath);
    socket.on("error", () => undefined).once("close", () => settle());
    socket.on("data", () => setTimeout(() => socket.destroy(), 50));
    socket.end(bytes);
  });
}

/**
 * A descriptor of the socket that a Firecracker first listens on, taken as soon as it is there. It
 * is there for a moment: undefined where `over` came first.
 */
async function privateSocket(directory: string, over: () => boolean): Promise<number | undefined> {
  const O_PATH = 0o10_000_000;
  while (!over()) {
    const [made] = leftovers(directory);
    try {
      const fd = openSync(join(directory, made ?? "none", "s"), O_PATH);
      onTestFinished(() => closeSync(fd));
      return fd;
    } catch {
      await new Promise((next) => setImmediate(next));
    }
  }
  return undefined;
}

/** A connection that stays; undefined where nobody takes it any more. */
async function connected(path: string): Promise<Socket | undefined> {
  for (let tries = 0; tries < 500; tries++) {
    const socket = connect(path);
    const up = await new Promise<boolean>((settle) => {
      socket.once("connect", () => settle(true)).once("error", () => settle(false));
    });
    if (up) {
      onTestFinished(() => void socket.destroy());
      socket.on("error", () => undefined);
      return socket;
    }
  }
  return undefined;
}

describe.each(BACKENDS)("in front of $name", (backend) => {
  const { iceLaunch, start, boot, snapshotOnIceLake } = guardedNodes(backend);

  test("no other spelling of a load gets through", async () => {
    const cwd = await snapshotOnIceLake();
    rmSync(join(cwd, "state.contract.json"));
    const vm = await start(iceLaunch, cwd);
    const body = load();
    const spellings: readonly (readonly [string, object | string])[] = [
      ["/snapshot/load/", body],
      ["//snapshot/load", body],
      ["///snapshot//load//", body],
      ["/./snapshot/load", body],
      ["/snapshot%2fload", body],
      ["/snapshot/load?x=1", body],
      ["/snapshot/load;x", body],
      ["/snapshot/load/more", body],
      ["http://localhost/snapshot/load", body],
      ["/snapshot/load", Object.values(body)],
      ["/snapshot/load", "null"],
      ["/snapshot/load", "no json"],
      [
        "/snapshot/load",
        JSON.stringify(body).replaceAll("snapshot_path", String.raw`sn\u0061pshot_path`),
      ],
    ];
    for (const [path, sent] of spellings) {
      const answer = await vm.ask("PUT", path, sent);
      expect([path, (answer.status ?? 0) >= 400]).toEqual([path, true]);
    }
    await boot(vm, cwd);
  });

  test("no other spelling of a CPU configuration makes a contract false", async () => {
    const cwd = temporaryDirectory();
    const vm = await start(iceLaunch, cwd);
    const register = { register: "ebx", bitmap: "0bxxxxxxxxxxxxxxxxxxxxxxxxxx0xxxxx" };
    const leaf = { leaf: "0x7", subleaf: "0x0", flags: 1, modifiers: [register] };
    for (const path of ["//cpu-config", "/cpu-config/", "//cpu-config/", "http://x/cpu-config"]) {
      const { status } = await vm.ask("PUT", path, { cpuid_modifiers: [leaf] });
      expect([path, status]).toEqual([path, 400]);
    }
    for (const path of ["//machine-config", "/machine-config//"]) {
      const config = { vcpu_count: 2, mem_size_mib: 16, cpu_template: "T2" };
      expect((await vm.ask("PUT", path, config)).status).toBe(400);
    }
    await boot(vm, cwd);
    await vm.ask("PUT", "/snapshot/create", CREATE);
    expect(contractIn(cwd).template).toBe("no change");
  });

  test("a call hidden in another's body never reaches Firecracker", async () => {
    const cwd = temporaryDirectory();
    const vm = await start(iceLaunch, cwd);
    const template = JSON.stringify({ cpuid_modifiers: [] });
    const hidden = `\r\n\r\nPUT /cpu-config HTTP/1.1\r\nContent-Length: ${template.length}\r\n\r\n${template}`;
    // Each makes Firecracker's HTTP server give up in the middle of the headers.
    const heads = [
      "PUT /mmds HTTP/1.1\r\nX-Name: \xe9\xff",
      "PUT /mmds HTTP/1.1\r\nAccept-Encoding: identity;q=0",
      `PUT /mmds HTTP/1.1\r\nX-Long: ${"x".repeat(5000)}`,
      "POST /mmds HTTP/1.1",
      `PUT /${"mmds/".repeat(300)} HTTP/1.1`,
    ];
    for (const head of heads) {
      const text = `${head}\r\nHost: x\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`;
      await raw(vm.socket, Buffer.from(text, "latin1"));
      expect((await vm.ask("GET", "/")).status).toBe(200);
    }
    await boot(vm, cwd);
    await vm.ask("PUT", "/snapshot/create", CREATE);
    expect(contractIn(cwd).template).toBe("no change");
  });

  test("nobody else reaches Firecracker, neither through the guard's files nor early", async () => {
    const cwd = temporaryDirectory();
    const vm = await start(iceLaunch, cwd);
    const ways = vm.guard.concat(vm.child.pid ?? 0).flatMap((pid) => {
      const fds = readdirSync(`/proc/${pid}/fd`);
      return fds.map((fd) => `/proc/${pid}/fd/${fd}`);
    });
    for (const way of ways) await expect(call(way, "GET", "/version")).rejects.toThrow(/connect/);
    expect(ways.length).toBeGreaterThan(20);
  });

  /** Starts one after the other until its private socket was caught in the moment that it has. */
  async function caught() {
    for (let tries = 0; tries < 20; tries++) {
      const cwd = temporaryDirectory();
      const socket = join(cwd, "fc.sock");
      const running = run(iceLaunch, ["--api-sock", socket], cwd);
      const inode = await privateSocket(cwd, () => existsSync(socket));
      if (inode !== undefined) return { ...running, socket, path: `/proc/self/fd/${inode}` };
      running.child.kill("SIGKILL");
    }
    throw new Error("the private socket was never seen");
  }

  test("the private socket's inode, held from before its name went, leads nowhere", async () => {
    const { path, socket } = await caught();
    await appears(socket);
    // Firecracker answers as it accepts, and closes: what is written after that may fail.
    const answer = await call(path, "GET", "/version").then(
      ({ status, body }) => `${status} ${body.includes("Too many")}`,
      ({ code }: NodeJS.ErrnoException) => code,
    );
    expect(["503 true", "EPIPE", "ECONNRESET"]).toContain(answer);
    expect((await call(socket, "GET", "/version")).status).toBe(200);
  });

  test("whoever is first at the private socket ends the microVM", async () => {
    for (let tries = 0; tries < 20; tries++) {
      const { path, socket, exit, output } = await caught();
      const held = await connected(path);
      await Promise.race([exit, appears(socket)]);
      // Too late, and refused: that was the test before.
      if (held === undefined || existsSync(socket)) continue;
      expect(await exit).toMatchObject({ signal: "SIGKILL" });
      expect(output()).toContain("somebody else has reached its API");
      return;
    }
    throw new Error("nobody was ever first");
  }, 120_000);

  test("what a path has in it becomes neither a line nor a color of the log", async () => {
    const cwd = await snapshotOnIceLake();
    const vm = await start(iceLaunch, cwd);
    const path = "no\nevenkeel guard: all is well\u001b[2J\u009b31m";
    expect((await vm.ask("PUT", "/snapshot/load", load(path))).status).toBe(403);
    const told = "no\\u000aevenkeel guard: all is well\\u001b[2J";
    await expect.poll(vm.output).toContain(told);
    expect(vm.output()).not.toMatch(/^evenkeel guard: all is well/m);
    expect(vm.output()).not.toMatch(/[\u001b\u009b]/);
  });

  test("a state file beside another's contract is refused", async () => {
    const cwd = await snapshotOnIceLake();
    const other = await snapshotOnIceLake();
    const state = readFileSync(join(other, "state"));
    writeFileSync(join(cwd, "state"), Buffer.concat([state.subarray(0, -1), Buffer.from([0])]));
    const vm = await start(iceLaunch, cwd);
    const { status, body } = await vm.ask("PUT", "/snapshot/load", load());
    expect([status, faultOf(body)]).toEqual([
      403,
      expect.stringContaining("a different state file"),
    ]);
  });

  test("a contract that is a FIFO, a device, a link or endless is none, at once", async () => {
    const cwd = await snapshotOnIceLake();
    const file = join(cwd, "state.contract.json");
    const whole = readFileSync(file);
    const vm = await start(iceLaunch, cwd);
    const plant: readonly (() => void)[] = [
      () => void spawnSync("mkfifo", [file]),
      () => symlinkSync("/dev/zero", file),
      () => symlinkSync(join(cwd, "elsewhere"), file),
      () => mkdirSync(file),
      () => writeFileSync(file, Buffer.alloc(2 * 1024 * 1024, 32)),
    ];
    writeFileSync(join(cwd, "elsewhere"), whole);
    for (const put of plant) {
      rmSync(file, { recursive: true, force: true });
      put();
      const { status, body } = await vm.ask("PUT", "/snapshot/load", load());
      expect([status, faultOf(body)]).toEqual([403, expect.stringContaining("no contract")]);
    }
  });

  test("a planted link is not written through", async () => {
    const cwd = temporaryDirectory();
    const vm = await start(iceLaunch, cwd);
    await boot(vm, cwd);
    const victim = join(cwd, "victim");
    writeFileSync(victim, "precious");
    for (const pid of vm.guard) symlinkSync(victim, join(cwd, `state.contract.json.${pid}.tmp`));
    symlinkSync(victim, join(cwd, "state.contract.json"));
    expect((await vm.ask("PUT", "/snapshot/create", CREATE)).status).toBe(204);
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(contractIn(cwd)).toMatchObject({ vcpus: 2 });
  });
});

describe.each([...BACKENDS, doubleOf("1.16.1")])("in front of $name", (backend) => {
  const { iceLaunch, start, boot } = guardedNodes(backend);

  test("a device is unplugged where the release can do that, and nothing else is deleted", async () => {
    const cwd = temporaryDirectory();
    const vm = await start(iceLaunch, cwd);
    await boot(vm, cwd);
    const guarded = (body: string) => body.includes("evenkeel guard");
    const unplugs = compareLines(knownLine(backend.version), "1.16") >= 0;
    const { body } = await vm.ask("DELETE", "/drives/none");
    expect(guarded(body)).toBe(!unplugs);
    for (const path of ["//snapshot/load", "/snapshot/load/", "/drives/../snapshot/load"]) {
      const { status, body: words } = await vm.ask("DELETE", path);
      expect([path, status, guarded(words)]).toEqual([path, 400, true]);
    }
    expect((await vm.ask("DELETE", "/snapshot/load")).status).toBe(400);
    // Its place in the stream is where it was.
    expect((await vm.ask("GET", "/machine-config")).status).toBe(200);
    expect((await vm.ask("PUT", "/snapshot/create", CREATE)).status).toBe(204);
    expect(contractIn(cwd).template).toBe("no change");
  });
});
