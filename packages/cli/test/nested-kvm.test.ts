/**
 * A KVM that honours what it is told: inside QEMU's emulation of AMD-V, the same `probe` and
 * `verify` as on a node. One machine is booted for all of it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readProfile } from "@evenkeel/core";
import { expect, test } from "vitest";
import { ROOT } from "./run.ts";
import {
  inMachine,
  missingForNested,
  runNested,
  type Reported,
} from "../../host/test/nested/machine.ts";

const missing = missingForNested();
if (missing !== undefined && process.env["CI"] !== "true") {
  process.stderr.write(`skipping KVM in an emulated machine: ${missing}\n`);
}

/** Names a leaf that no CPU of the emulation has. */
const ABSENT = {
  cpuid_modifiers: [
    { leaf: "0x2b", subleaf: "0x0", flags: 0, modifiers: [{ register: "eax", bitmap: "0b0" }] },
  ],
};

interface Planned {
  readonly nodes: readonly string[];
  readonly givesUp: readonly { readonly name: string }[];
}

/** Two releases stand for all: one before and one after Firecracker's normalization changed. */
const RELEASES = ["--firecracker", "1.10,1.16"];

/** Node is slow in there, so there are no more than it takes. The plan knows the machine by its CPU. */
const COMMANDS = [
  inMachine("probe", "--name", "nested", "--out", "/tmp/nested.json", "--json"),
  inMachine(
    "plan",
    "/tmp/nested.json",
    "/app/rome.json",
    // No bit makes up for Rome's model on Milan; what is tried here is what the template yields.
    "--accept",
    "insecure",
    "--out",
    "/tmp/plan",
    "--json",
    ...RELEASES,
  ),
  inMachine("verify", "/tmp/plan", "--name", "stranger", "--json"),
  inMachine("verify", "/app/absent.json", "--json", ...RELEASES),
];

function goldenText(name: string): string {
  return readFileSync(join(ROOT, "packages/host/test/golden", `${name}.json`), "utf8");
}

function outcome(report: Reported | undefined) {
  return { status: report?.status, stderr: report?.stderr };
}

test.skipIf(missing !== undefined && process.env["CI"] !== "true")(
  "where KVM honours CPUID, the profile says so and the plan made from it is verified",
  { timeout: 420_000 },
  async () => {
    const files = {
      "/app/rome.json": goldenText("qemu-7.2-epyc-rome"),
      "/app/absent.json": JSON.stringify(ABSENT),
    };
    const [kvm, probed, planned, verified, absent] = await runNested(COMMANDS, files);
    expect(kvm).toEqual({ kvm: true });
    expect(outcome(probed)).toEqual({ status: 0, stderr: "" });
    const profile = readProfile(JSON.parse(probed?.stdout ?? ""), "");
    expect(profile.kvm).toMatchObject({
      backend: "kvm_amd",
      enforcement: { enforced: true, changed: [] },
    });
    expect(profile.incomplete).toEqual([]);
    const known = readProfile(JSON.parse(goldenText("qemu-7.2-epyc-milan")), "");
    // Debian's kernel moves on; another one may offer guests other bits.
    const isKnown = known.host.kernel === profile.host.kernel;
    expect(isKnown ? profile.cpu : known.cpu).toEqual(known.cpu);
    expect(outcome(planned)).toEqual({ status: 0, stderr: "" });
    // The pool's other node is older: the template of this one hides what only it has.
    const gives = (JSON.parse(planned?.stdout ?? "") as { classes: Planned[] }).classes.find(
      ({ nodes }) => nodes.includes("nested"),
    )?.givesUp;
    expect(gives?.map(({ name }) => name)).toEqual(expect.arrayContaining(["ERMS", "PKU"]));
    expect(outcome(verified)).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(verified?.stdout ?? "")).toMatchObject({ node: "stranger", mismatches: [] });
    expect(absent?.status).toBe(1);
    expect(absent?.stdout).toContain(
      "Template changes a CPUID entry not supported by KVM: Leaf: 2b, Subleaf: 0",
    );
  },
);
