/** Contracts and nodes for the tests of verdicts. */
import type { CpuContract } from "../src/contract/contract.ts";
import { predictContract } from "../src/contract/make.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import { EMPTY_TEMPLATE, type CpuTemplate } from "../src/template/template.ts";
import type { Finding } from "../src/verdict/finding.ts";
import { modelCpu, node } from "./arbitrary.ts";

const CACHES = { caches: [], brand: "" };

export function profile(id: string, changes: Partial<NodeProfile> = {}): NodeProfile {
  return {
    ...node(id, modelCpu(id, [], CACHES)),
    host: { kernel: "6.1.100" },
    firecracker: ["1.14.1"],
    ...changes,
  };
}

export function contractOf(
  from: NodeProfile,
  template: CpuTemplate = EMPTY_TEMPLATE,
  // A fingerprint names the version of the tool that made it, a pre-release among them.
  firecracker = from.firecracker[0] ?? "1.16.0",
): CpuContract | undefined {
  const result = predictContract(from, { firecracker, vcpus: 1, smt: false, template });
  return result.ok ? result.contract : undefined;
}

export function promised(from: NodeProfile, template?: CpuTemplate): CpuContract {
  const contract = contractOf(from, template, "1.14.1");
  if (contract === undefined) throw new Error(`${from.name} cannot boot this guest`);
  return contract;
}

export function rules(findings: readonly Finding[], severity: Finding["severity"]): string[] {
  return [...new Set(findings.filter((f) => f.severity === severity).map(({ rule }) => rule))];
}
