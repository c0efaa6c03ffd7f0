/**
 * What a user of E2B's JavaScript SDK does, with the package as it is on npm. Arguments: which part,
 * and what it needs; standard output: one JSON object.
 */
import { Sandbox } from "e2b";

const [part = "", first = ""] = process.argv.slice(2);
const later = async (ask) => {
  for (let i = 0; i < 200; i++) {
    if (ask()) return;
    await new Promise((settle) => setTimeout(settle, 100));
  }
};

async function begin(template) {
  const sandbox = await Sandbox.create(template, {
    timeoutMs: 600_000,
    metadata: { user: "a b", run: "1" },
    envs: { GREETING: "hello" },
    requestTimeoutMs: 120_000,
  });
  const quick = { timeoutMs: 120_000, requestTimeoutMs: 120_000 };
  const node = await sandbox.commands.run("node -v; echo $GREETING", quick);
  const failed = await sandbox.commands
    .run("echo no >&2; exit 3", quick)
    .catch(({ exitCode, stderr }) => ({ exitCode, stderr }));
  const events = [];
  await sandbox.files.makeDir("/work", quick);
  const watcher = await sandbox.files.watchDir("/work", (event) => events.push(event), quick);
  const written = await sandbox.files.write("/work/a.txt", "text of a", quick);
  const read = await sandbox.files.read("/work/a.txt", quick);
  const list = await sandbox.files.list("/work", quick);
  await sandbox.files.rename("/work/a.txt", "/work/b.txt", quick);
  const there = [
    await sandbox.files.exists("/work/a.txt", quick),
    await sandbox.files.exists("/work/b.txt", quick),
  ];
  await later(() => events.length >= 2);
  await watcher.stop();
  const cat = await sandbox.commands.run("cat", { ...quick, background: true, stdin: true });
  await sandbox.commands.sendStdin(cat.pid, "to cat\n", quick);
  await later(() => cat.stdout !== "");
  await sandbox.commands.kill(cat.pid, quick);
  const listed = await Sandbox.list({ query: { metadata: { user: "a b" } } }).nextItems();
  const info = await sandbox.getInfo();
  const running = await sandbox.isRunning();
  await sandbox.setTimeout(900_000);
  const longer = await sandbox.getInfo();
  const paused = await sandbox.pause({ requestTimeoutMs: 120_000 });
  return {
    id: sandbox.sandboxId,
    node: node.stdout,
    failed,
    written: written.path,
    read,
    list: list.map(({ name, type, size }) => ({ name, type, size })),
    there,
    events: [...new Set(events.map(({ name, type }) => `${type} ${name}`))],
    cat: cat.stdout,
    listed: listed.map(({ sandboxId }) => sandboxId),
    info: {
      state: info.state,
      metadata: info.metadata,
      cpuCount: info.cpuCount,
      memoryMB: info.memoryMB,
    },
    extended: longer.endAt.getTime() - info.endAt.getTime() > 200_000,
    running,
    paused,
    pausedAgain: await sandbox.pause(),
    state: (await sandbox.getInfo()).state,
    runningPaused: await sandbox.isRunning(),
  };
}

async function goOn(id) {
  const sandbox = await Sandbox.connect(id, { timeoutMs: 600_000, requestTimeoutMs: 120_000 });
  const quick = { timeoutMs: 120_000, requestTimeoutMs: 120_000 };
  const read = await sandbox.files.read("/work/b.txt", quick);
  const ran = await sandbox.commands.run("echo still here", quick);
  const metrics = await sandbox.getMetrics();
  const killed = await sandbox.kill();
  return {
    read,
    ran: ran.stdout,
    metrics: metrics.length,
    killed,
    killedAgain: await sandbox.kill(),
    running: await sandbox.isRunning(),
  };
}

async function refused(work) {
  try {
    await work();
    return { error: undefined };
  } catch (error) {
    return { error: error.name, message: error.message };
  }
}

/** As another team: none of it is there. */
async function strange(id) {
  return {
    listed: (await Sandbox.list().nextItems()).length,
    info: await refused(() => Sandbox.getInfo(id)),
    connect: await refused(() => Sandbox.connect(id)),
    killed: await Sandbox.kill(id),
    paused: await refused(() => Sandbox.pause(id)),
  };
}

const PARTS = {
  begin,
  goOn,
  strange,
  connect: async (id) => await refused(() => Sandbox.connect(id, { requestTimeoutMs: 120_000 })),
  create: async (template) => await refused(() => Sandbox.create(template)),
  volumes: async (template) =>
    await refused(() => Sandbox.create(template, { volumeMounts: { "/data": "mine" } })),
};

process.stdout.write(JSON.stringify(await PARTS[part](first)));
