/**
 * Process 1 of the emulated machine: brings up KVM, runs the commands it was given, and reports
 * each on a serial line as one line of JSON. Node is the whole userland.
 */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import koffi from "koffi";

const SYS_FINIT_MODULE = 313;
const MODULE_INIT_COMPRESSED_FILE = 4;
const POWER_OFF = 0x4321fedc;

const libc = koffi.load(null);
const mount = libc.func(
  "int mount(const char *, const char *, const char *, unsigned long, const char *)",
);
const finitModule = libc.func("long syscall(long, int, const char *, int)");
const drain = libc.func("int tcdrain(int)");
const reboot = libc.func("int reboot(int)");

for (const [type, path] of [
  ["devtmpfs", "/dev"],
  ["proc", "/proc"],
  ["sysfs", "/sys"],
]) {
  mount(type, path, type, 0, "");
}

const {
  modules,
  commands,
  port = "/dev/ttyS1",
} = JSON.parse(readFileSync("/app/work.json", "utf8"));
const report = openSync(port, "w");

function send(line) {
  const bytes = Buffer.from(`@evenkeel ${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length;) at += writeSync(report, bytes, at);
}

try {
  for (const path of modules) {
    const fd = openSync(path, "r");
    const flags = path.endsWith(".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE;
    const result = finitModule(SYS_FINIT_MODULE, fd, "", flags);
    if (result !== 0) process.stderr.write(`${path}: errno ${koffi.errno()}\n`);
    closeSync(fd);
  }
  send({ kvm: existsSync("/dev/kvm") });
  for (const command of commands) {
    const [program, ...args] = command;
    const { status, signal, stdout, stderr } = spawnSync(program, args, {
      encoding: "utf8",
      cwd: "/tmp",
    });
    send({ command, status, signal, stdout, stderr });
  }
} catch (error) {
  send({ error: String(error) });
}
drain(report);
reboot(POWER_OFF);
