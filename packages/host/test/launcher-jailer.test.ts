/**
 * The launcher in a jailer's place. Set EVENKEEL_FIRECRACKER to a binary with its jailer beside it,
 * under the names `firecracker` and `jailer`.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseTemplate } from "@evenkeel/core";
import { expect, onTestFinished, test } from "vitest";
import { installLauncher, launcherStatus, uninstallLauncher } from "../src/index.ts";
import { endAllOf } from "../src/isolation/processes.ts";
import { args, BINARY, boot, installed, USER, WHY } from "./jailed.ts";
import { appears, leftovers, run } from "./launched.ts";

/** Names a leaf that no KVM reports: every boot says so, and so shows that the template is there. */
const MARKED = parseTemplate({
  cpuid_modifiers: [{ leaf: "0x3fff", subleaf: "0x7", flags: 0, modifiers: [] }],
});
const MARK = "Template changes a CPUID entry not supported by KVM: Leaf: 3fff, Subleaf: 7";

const CHOICE = { choose: () => ({ template: MARKED, source: "a test" }) };

test.skipIf(WHY !== undefined).each([
  ["as it is", [], ["--", "--api-sock", "api.sock"], "api.sock"],
  ["with the default socket", [], [], "run/firecracker.socket"],
  ["in a new PID namespace", ["--new-pid-ns"], ["--", "--api-sock", "/api.sock"], "api.sock"],
  ["as a daemon", ["--daemonize", "--new-pid-ns"], ["--", "--api-sock", "/run/a"], "run/a"],
  ["as a daemon without", ["--daemonize"], ["--", "--api-sock", "/run/a"], "run/a"],
] as const)(
  "a jailer started %s gives its Firecracker the template",
  async (_, own, rest, path) => {
    const { directory, jailer, record, root } = await installed(CHOICE);
    expect(record).toMatchObject({ jailed: join(directory, "firecracker"), moved: true });
    run(jailer, args(directory, own, rest));
    // What a jailer leaves behind holds its output open.
    onTestFinished(async () => void (await endAllOf(USER)));
    const socket = join(root, path);
    await appears(socket);
    expect(statSync(socket).uid).toBe(USER);
    expect((await boot(root, socket)).body).toContain(MARK);
    expect(leftovers(dirname(socket))).toEqual([]);
  },
);

test("another Firecracker and a configuration file are refused, and nothing starts", async ({
  skip,
}) => {
  if (WHY !== undefined) skip(WHY);
  const { directory, jailer, root } = await installed(CHOICE);
  const refused = async (command: readonly string[]) => {
    const { exit, output } = run(jailer, command);
    expect((await exit).code).not.toBe(0);
    return output();
  };
  const good = args(directory, [], []);
  const other = good.map((word) => (word.endsWith("/firecracker") ? "/bin/true" : word));
  expect(await refused(other)).toContain("is for");
  writeFileSync(join(directory, "config"), "{}");
  expect(await refused([...good, "--", "--config-file", "config"])).toContain("in a jail");
  expect(await refused([...good, "--", "--api-sock", "../../../s"])).toContain("leads out of");
  // What the jailer itself refuses, it says itself.
  expect(await refused(good.slice(2))).toMatch(/id/);
  expect(existsSync(join(root, "run/firecracker.socket"))).toBe(false);
});

test("a launcher in a jailer's place says what it is, and goes", async ({ skip }) => {
  if (WHY !== undefined) skip(WHY);
  const { directory, jailer } = await installed(CHOICE);
  expect(launcherStatus(jailer).problems).toEqual([]);
  const again = await installLauncher({
    firecracker: jailer,
    at: jailer,
    choose: () => ({ template: MARKED, source: "again" }),
    time: "2026-11-24T00:00:00.000Z",
    path: process.env["PATH"] ?? "",
  });
  expect(again.jailed).toBe(join(directory, "firecracker"));
  uninstallLauncher(jailer);
  expect(readFileSync(jailer).equals(readFileSync(join(dirname(BINARY), "jailer")))).toBe(true);
});
