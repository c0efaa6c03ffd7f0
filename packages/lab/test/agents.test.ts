/** One agent per emulated node: what happens in production, with unlike CPUs and a real guest. */
import { copyFileSync, mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createAgent, type Agent } from "@evenkeel/agent";
import { formatTemplate, planAny, type CpuTemplate, type NodeProfile } from "@evenkeel/core";
import { findKernel, HostError } from "@evenkeel/host";
import { expect, test } from "vitest";
import { guestImage } from "../src/image.ts";
import { place, station, withSite, type Site, type Station } from "../src/site.ts";
import { probe } from "../src/takes.ts";

const MINUTES = 60_000;

interface Node {
  readonly station: Station;
  readonly profile: NodeProfile;
  readonly agent: Agent;
  readonly directory: string;
}

async function open(site: Site, cpu: string, id: string): Promise<Node> {
  const own = await station({ name: cpu, cpu }, id);
  const { probed } = await probe(site, own, site.initrd);
  const directory = await place(site, `agent-${id}`);
  const [kernelsDir, imagesDir] = [join(directory, "kernels"), join(directory, "images")];
  mkdirSync(join(kernelsDir, "lab"), { recursive: true });
  mkdirSync(imagesDir);
  copyFileSync(site.kernel, join(kernelsDir, "lab/vmlinux.bin"));
  copyFileSync(site.initrd, join(imagesDir, "canary"));
  const agent = await createAgent({
    driver: own.driver,
    profile: probed.profile,
    directory: join(directory, "d"),
    kernelsDir,
    imagesDir,
    firecracker: probed.profile.firecracker[0] ?? "",
  });
  return { station: own, profile: probed.profile, agent, directory };
}

async function call(
  { agent }: Node,
  method: "GET" | "POST" | "DELETE",
  url: string,
  body?: object,
) {
  const response = await agent.app.inject({
    method,
    url,
    ...(body === undefined ? {} : { payload: body }),
  });
  // oxlint-disable-next-line typescript/no-explicit-any -- bodies are looked into
  const read: any = response.body === "" ? {} : response.json();
  return { status: response.statusCode, body: read };
}

async function build(node: Node, name: string, template?: CpuTemplate): Promise<void> {
  const cpu =
    template === undefined
      ? { kind: "none" }
      : {
          kind: "template",
          name: "plan",
          template: JSON.parse(formatTemplate(template)) as object,
        };
  const { status, body } = await call(node, "POST", "/v1/templates", {
    name,
    machine: {
      kernel: "lab",
      initrd: "canary",
      bootArgs: "console=ttyS0 quiet reboot=t panic=-1",
      memoryMib: 128,
      cpu,
    },
    readiness: { kind: "serial", text: "canary tick 00000003", timeoutSeconds: 120 },
  });
  expect([status, body]).toEqual([201, expect.anything()]);
}

async function carry(from: Node, to: Node, name: string): Promise<void> {
  const url = `/v1/snapshots/${name}`;
  const { rawPayload } = await from.agent.app.inject({ method: "GET", url: `${url}/export` });
  const headers = { "content-type": "application/x-tar" };
  const { statusCode, body } = await to.agent.app.inject({
    method: "PUT",
    url,
    headers,
    payload: rawPayload,
  });
  expect([statusCode, body]).toEqual([201, expect.anything()]);
}

async function untilState(node: Node, id: string, states: readonly string[]): Promise<string> {
  for (let i = 0; i < 600; i++) {
    const { body } = await call(node, "GET", `/v1/sandboxes/${id}`);
    if (states.includes(body.state)) return body.state;
    await sleep(100);
  }
  throw new Error(`sandbox ${id} never became ${states.join(" or ")}`);
}

async function untilTicks(node: Node, id: string): Promise<string> {
  const path = join(node.directory, "d/vms", id, "console.log");
  for (let i = 0; i < 600; i++) {
    const text = await readFile(path, "latin1").catch(() => "");
    if ((text.match(/canary tick/g) ?? []).length >= 5) return text;
    await sleep(100);
  }
  throw new Error(`nothing ticks in ${path}`);
}

test(
  "agents refuse the resume that would crash, let an override crash, and move planned guests freely",
  { timeout: 6 * MINUTES },
  async ({ skip }) => {
    const kernel = await findKernel().catch((error: unknown) => {
      if (process.env["CI"] !== undefined || !(error instanceof HostError)) throw error;
      return skip(error.message);
    });
    const { signal } = new AbortController();
    await withSite(await guestImage(undefined), kernel.path, signal, async (site) => {
      const full = await open(site, "Haswell-noTSX", "full");
      const reduced = await open(site, "Haswell-noTSX,-avx2,-bmi2", "reduced");
      try {
        await build(full, "bare");
        await carry(full, reduced, "bare");
        const refused = await call(reduced, "POST", "/v1/sandboxes", { from: "bare" });
        expect([refused.status, refused.body.error.code]).toEqual([409, "VERDICT_AGAINST"]);
        expect(JSON.stringify(refused.body)).toContain("BMI2");

        const override = { accept: "incompatible", reason: "to see what happens" };
        const forced = await call(reduced, "POST", "/v1/sandboxes", { from: "bare", override });
        expect([forced.status, forced.body]).toEqual([201, expect.anything()]);
        expect(await untilState(reduced, forced.body.id, ["failed", "stopped", "ended"])).toBe(
          "failed",
        );

        const plan = planAny([full.profile, reduced.profile], {
          identity: "oldest",
          firecracker: ["qemu-7.2"],
        });
        if (!plan.ok || plan.plan.arch !== "x86_64") throw new Error("no plan");
        const of = (node: Node) =>
          plan.plan.classes.find(
            (c) => "nodeClass" in c && c.nodeClass.nodes.includes(node.profile.name),
          );
        const template = of(full)?.template;
        if (template === undefined) throw new Error("no template");
        await build(full, "planned", template);
        await carry(full, reduced, "planned");
        const admitted = await call(reduced, "POST", "/v1/sandboxes", { from: "planned" });
        expect([admitted.status, admitted.body]).toEqual([201, expect.anything()]);
        expect(await untilTicks(reduced, admitted.body.id)).not.toContain("canary signal");
        await call(reduced, "DELETE", `/v1/sandboxes/${admitted.body.id}`);
      } finally {
        await full.agent.close();
        await reduced.agent.close();
      }
    });
  },
);
