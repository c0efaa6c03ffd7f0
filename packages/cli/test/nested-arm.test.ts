/**
 * aarch64 with a real KVM, in emulation: two unlike nodes are probed, planned and verified, and what
 * the trial says is held against what KVM does. Debian's own kernel takes next to nothing, the newer
 * one of its backports much.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { judge, predictContract, readProfile, type NodeProfile } from "@evenkeel/core";
import { expect, test } from "vitest";
import { missingForArm, runArmMachine } from "../../host/test/nested/arm-machine.ts";
import { inMachine, type Reported } from "../../host/test/nested/machine.ts";
import { evenkeel, temporaryDirectory } from "./run.ts";

const missing = missingForArm();
const isSkipped = missing !== undefined && process.env["CI"] !== "true";
if (isSkipped) process.stderr.write(`skipping KVM in an emulated aarch64 machine: ${missing}\n`);

/** Of one model to a guest, and unlike: less address space, a lesser SSBS. */
const SMALL = "cortex-a76";
const LARGE = "neoverse-n1,midr=0x414fd0b1";

const PROBE = inMachine("probe", "--name", "large", "--out", "/tmp/b.json", "--json");

function outcome(report: Reported | undefined) {
  return { status: report?.status, stderr: report?.stderr };
}

function profileOf(report: Reported | undefined): NodeProfile {
  expect(outcome(report)).toEqual({ status: 0, stderr: "" });
  const profile = readProfile(JSON.parse(report?.stdout ?? ""), "");
  expect(profile.incomplete).toEqual([]);
  return { ...profile, firecracker: ["1.16.0"] };
}

function takenNames({ kvm }: NodeProfile): number {
  return kvm?.takenFields?.filter(({ values }) => values.length > 0).length ?? -1;
}

interface PlanJson {
  readonly classes: readonly { readonly nodes: readonly string[]; readonly template: string }[];
}

interface Json {
  readonly mismatches: readonly { readonly owner: string; readonly name: string }[];
}

function json(report: Reported | undefined): Json {
  return JSON.parse(report?.stdout ?? "") as Json;
}

/** The files of a directory, by the path that they shall have in a machine. */
function filesOf(directory: string, at: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [join(at, path.slice(directory.length)), readFileSync(path, "utf8")];
      }),
  );
}

test.skipIf(isSkipped)(
  "what KVM lets be written is what the profile says; plan, verdict and verify go by it",
  { timeout: 3_600_000 },
  async () => {
    const directory = temporaryDirectory();
    const [a, plan] = [join(directory, "a.json"), join(directory, "plan")];
    const probe = inMachine("probe", "--name", "small", "--json");
    const [, small] = await runArmMachine({ cpu: SMALL, kernel: "backports", commands: [probe] });
    const smallNode = profileOf(small);
    writeFileSync(a, small?.stdout ?? "");

    // A newer kernel: the larger node is planned down to the smaller, and KVM does what is planned.
    const planning = inMachine(
      "plan",
      "/app/a.json",
      "/tmp/b.json",
      "--out",
      "/tmp/plan",
      "--json",
    );
    const [, large, planned, verified] = await runArmMachine({
      cpu: LARGE,
      kernel: "backports",
      commands: [PROBE, planning, inMachine("verify", "/tmp/plan", "--name", "large", "--json")],
      files: { "/app/a.json": small?.stdout ?? "" },
    });
    const largeNode = profileOf(large);
    expect(takenNames(largeNode)).toBeGreaterThan(100);
    expect(outcome(planned)).toEqual({ status: 0, stderr: "" });
    expect(outcome(verified)).toEqual({ status: 0, stderr: "" });
    expect(json(verified).mismatches).toEqual([]);

    // The same on this side, for the files, and for a verdict on the bare guests.
    writeFileSync(join(directory, "b.json"), large?.stdout ?? "");
    expect(evenkeel(["plan", a, join(directory, "b.json"), "--out", plan]).status).toBe(0);
    const shape = { firecracker: "1.16.0", vcpus: 1, smt: false };
    const contract = predictContract(smallNode, shape);
    if (!contract.ok) throw new Error("must boot");
    expect(judge(contract.contract, largeNode)).toMatchObject({ verdict: "compatible" });

    // The older kernel of the same machine refuses it: the trial says so, and so does a real write.
    const { classes } = JSON.parse(readFileSync(join(plan, "plan.json"), "utf8")) as PlanJson;
    const template = classes.find(({ nodes }) => nodes.includes("large"))?.template ?? "";
    const [, older, unplanned, refused] = await runArmMachine({
      cpu: LARGE,
      kernel: "stable",
      commands: [
        PROBE,
        inMachine("verify", "/app/plan", "--name", "large", "--json"),
        inMachine("verify", join("/app/plan", template), "--json"),
      ],
      files: filesOf(plan, "/app/plan"),
    });
    const olderNode = profileOf(older);
    expect(takenNames(olderNode)).toBeLessThan(20);
    // To the plan it is another node; its template is tried all the same where it is named itself.
    expect([unplanned?.status, unplanned?.stdout]).toEqual([
      1,
      expect.stringContaining("NODE_NOT_IN_PLAN"),
    ]);
    expect(refused?.status).toBe(1);
    const owners = json(refused).mismatches.filter(({ owner }) => owner === "refused");
    expect(owners.map(({ name }) => name)).toEqual(expect.arrayContaining(["PARange", "SSBS"]));
    writeFileSync(join(directory, "c.json"), older?.stdout ?? "");
    const replanned = evenkeel(["plan", a, join(directory, "c.json")]);
    expect(replanned.status).toBe(1);
    expect(replanned.stderr.replaceAll(/\s+/g, " ")).toMatch(
      /large .* cannot hide SSBS .*, PARange/,
    );
  },
);
