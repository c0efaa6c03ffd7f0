import { runNested } from "./nested/machine.ts";
const script = `
import koffi from "koffi";
import { spawnSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
const mount = koffi.load(null).func("int mount(const char *, const char *, const char *, unsigned long, const char *)");
console.log("mount", mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""));
const { findCgroups, openGroup, groupsThere } = await import("/app/node_modules/@evenkeel/host/dist/isolation/cgroups.js");
const found = findCgroups();
console.log(JSON.stringify(found));
const group = openGroup(found, "test", 3);
group.limit({ vcpus: 1, memoryMib: 32, overheadMib: 32, tasks: 40, io: undefined });
const at = "/sys/fs/cgroup/evenkeel-test/3/";
for (const f of ["cpu.max", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cgroup.controllers"]) {
  try { console.log(f, readFileSync(at + f, "utf8").trim()); } catch (e) { console.log(f, e.code); }
}
const hog = spawn("/bin/node", ["-e", "process.stdin.once('data', () => { const a = []; for (;;) a.push(Buffer.alloc(4 << 20, 1)); })"], { stdio: ["pipe", "inherit", "inherit"] });
await new Promise((r) => setTimeout(r, 4000));
group.join(hog.pid);
console.log("members", group.members().length, "groups", groupsThere(found, "test"));
hog.stdin.write("go\\n");
const [code, signal] = await new Promise((r) => hog.once("exit", (c, s) => r([c, s])));
console.log("hog", code, signal, readFileSync(at + "memory.events", "utf8").replaceAll("\\n", " "));
await new Promise((r) => setTimeout(r, 500));
console.log("removed", group.remove(), groupsThere(found, "test"));
`;
const out = await runNested([
  [
    "/bin/node",
    "--input-type=module",
    "-e",
    script.replace('koffi"', '/app/node_modules/koffi/index.js"'),
  ],
]);
for (const r of out) console.log(JSON.stringify(r, null, 1).slice(0, 4000));
