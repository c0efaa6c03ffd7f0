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

/** Hides AVX2. */
const MASKING = {
  cpuid_modifiers: [
    {
      leaf: "0x7",
      subleaf: "0x0",
      flags: 1,
      modifiers: [{ register: "ebx", bitmap: "0bxxxxxxxxxxxxxxxxxxxxxxxxxx0xxxxx" }],
    },
  ],
};

const COMMANDS = [
  inMachine("probe", "--name", "nested", "--out", "/tmp/nested.json", "--json"),
  inMachine("plan", "/tmp/nested.json", "--out", "/tmp/plan", "--json"),
  inMachine("verify", "/tmp/plan", "--name", "nested", "--json"),
  inMachine("verify", "/app/masking.json", "--json"),
  inMachine("verify", "/app/absent.json", "--json"),
];

function golden() {
  const path = join(ROOT, "packages/host/test/golden/qemu-7.2-epyc-rome.json");
  return readProfile(JSON.parse(readFileSync(path, "utf8")), "");
}

test.skipIf(missing !== undefined && process.env["CI"] !== "true")(
  "where KVM honours CPUID, the profile says so and the plan made from it is verified",
  { timeout: 240_000 },
  async () => {
    const files = {
      "/app/masking.json": JSON.stringify(MASKING),
      "/app/absent.json": JSON.stringify(ABSENT),
    };
    const [kvm, probed, planned, verified, masked, absent] = await runNested(COMMANDS, files);
    expect(kvm).toEqual({ kvm: true });
    const outcome = (report: Reported | undefined) => ({
      status: report?.status,
      stderr: report?.stderr,
    });
    expect(outcome(probed)).toEqual({ status: 0, stderr: "" });
    const profile = readProfile(JSON.parse(probed?.stdout ?? ""), "");
    expect(profile.kvm).toMatchObject({
      backend: "kvm_amd",
      enforcement: { enforced: true, changed: [] },
    });
    expect(profile.incomplete).toEqual([]);
    const known = golden();
    // Debian's kernel moves on; another one may offer guests other bits.
    const isKnown = known.host.kernel === profile.host.kernel;
    expect(isKnown ? profile.cpu : known.cpu).toEqual(known.cpu);
    expect(outcome(planned)).toEqual({ status: 0, stderr: "" });
    expect(outcome(verified)).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(verified?.stdout ?? "")).toMatchObject({ node: "nested", mismatches: [] });
    expect(outcome(masked)).toEqual({ status: 0, stderr: "" });
    expect(absent?.status).toBe(1);
    expect(absent?.stdout).toContain(
      "Template changes a CPUID entry not supported by KVM: Leaf: 2b, Subleaf: 0",
    );
  },
);
