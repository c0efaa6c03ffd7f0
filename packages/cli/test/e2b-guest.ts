/** A guest with Node.js, bash and this project's guest agent, and the nodes that run it: real guests in QEMU. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { createAgent, type Agent } from "@evenkeel/agent";
import { checkNode, type ArchiveEntry } from "@evenkeel/host";
import { makeNetworkGuest, NETWORK_MACHINE, NETWORK_UP } from "../../agent/test/network-guest.ts";
import { withSite, station, type Station } from "../../lab/src/site.ts";
import { probe } from "../../lab/src/takes.ts";
import type { ProbedNode } from "../../lab/src/result.ts";
import { canaryInitramfs } from "@evenkeel/lab";
import { ROOT } from "./run.ts";

const INIT = `${NETWORK_UP}
export HOME=/root PATH=/bin
exec node /guest-agent/bin/guest-agent.js
`;

/** What a program needs to start: itself, its libraries, its loader. */
function programFiles(program: string, at: string): ArchiveEntry[] {
  const real = realpathSync(program);
  const { stdout } = spawnSync("ldd", [real], { encoding: "utf8" });
  const libraries = [...stdout.matchAll(/(\/\S+\.so\S*)/g)].map(([, path = ""]) => path);
  const files = [[real, at], ...[...new Set(libraries)].map((path) => [path, path.slice(1)])];
  return files.map(([from = "", to = ""]): ArchiveEntry => {
    return { kind: "file", path: to, mode: 0o755, data: readFileSync(from) };
  });
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_part, i) => parts.slice(0, i + 1).join("/"));
}

function agentFiles(): ArchiveEntry[] {
  const root = join(ROOT, "packages/guest-agent");
  const names = ["bin/guest-agent.js", "package.json"];
  const built = readdirSync(join(root, "dist")).filter((name) => name.endsWith(".js"));
  return [...names, ...built.map((name) => `dist/${name}`)].map((name): ArchiveEntry => {
    const data = readFileSync(join(root, name));
    return { kind: "file", path: `guest-agent/${name}`, mode: 0o755, data };
  });
}

/** Directories of kernels and images, as agents have them. */
export async function makeNodeGuest(directory: string) {
  const passwd = Buffer.from("root:x:0:0:root:/root:/bin/bash\n");
  const all = [
    ...programFiles(process.execPath, "bin/node"),
    ...programFiles("/bin/bash", "bin/bash"),
    ...agentFiles(),
    { kind: "file", path: "etc/passwd", mode: 0o644, data: passwd } as const,
  ];
  const files = [...new Map(all.map((one) => [one.path, one])).values()];
  const made = new Set(["bin", "modules", "dev"]);
  const directories = [...new Set([...files.map(({ path }) => path), "root/x"].flatMap(parentsOf))]
    .filter((path) => !made.has(path))
    .map((path): ArchiveEntry => ({ kind: "directory", path, mode: 0o755 }));
  return await makeNetworkGuest(directory, INIT, [...directories, ...files]);
}

export const MACHINE = { ...NETWORK_MACHINE, memoryMib: 512 } as const;
export const READINESS = {
  kind: "serial",
  text: "guest agent ready",
  timeoutSeconds: 240,
} as const;

export interface EmulatedNode {
  readonly station: Station;
  readonly probed: ProbedNode;
}

/** Looks at what each CPU offers a guest, from inside one. */
export async function probeNodes(
  cpus: readonly { readonly name: string; readonly cpu: string }[],
  kernel: string,
): Promise<EmulatedNode[]> {
  const { signal } = new AbortController();
  const image = { initrd: canaryInitramfs(), canary: true };
  return await withSite(image, kernel, signal, async (site) => {
    const nodes: EmulatedNode[] = [];
    for (const node of cpus) {
      const own = await station(node, node.name);
      nodes.push({ station: own, probed: await probe(site, own) });
    }
    return nodes;
  });
}

export interface NodeSetup {
  readonly directory: string;
  readonly images: { readonly kernelsDir: string; readonly imagesDir: string };
  readonly server: string;
  readonly join: string;
  /** One of this host's, with as many addresses as it has slots. */
  readonly network: string;
  readonly firstId: number;
}

/** An agent of a fleet on an emulated node, its guests in namespaces of their own. */
export async function startEmulated(
  { station: { driver }, probed }: EmulatedNode,
  setup: NodeSetup,
): Promise<Agent> {
  const { directory, images, server, join: token, network, firstId } = setup;
  const { open: openCells } = await checkNode({
    directory,
    vmm: "qemu",
    binary: "qemu-system-x86_64",
    network: { pool: network, open: [] },
    egress: { default: "deny", dns: false, rules: [] },
    ahead: 1,
    firstId,
    report: (what, why) => process.stderr.write(`${what}: ${String(why)}\n`),
  });
  return await createAgent({
    driver,
    profile: probed.profile,
    firecracker: probed.profile.firecracker[0] ?? "",
    directory,
    kernelsDir: images.kernelsDir,
    imagesDir: images.imagesDir,
    openCells,
    allowInsecure: true,
    fleet: { server, join: token },
  });
}
