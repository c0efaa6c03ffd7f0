/** Profiles and plans as members of a pool: names, and the features that a guest has there. */
import {
  archOf,
  offersFeature,
  planFields,
  planHasFeature,
  profileFields,
  type Answer,
  type DecodedField,
} from "@evenkeel/core";
import type { Member, Pool } from "@evenkeel/isa";
import { CliError } from "../errors.ts";
import { loadNodes } from "./node-files.ts";
import { loadPlan } from "./template.ts";

export interface PoolFlags {
  readonly plan?: string;
  readonly node?: readonly string[];
}

function namesOf(fields: readonly DecodedField[]): Set<string> {
  return new Set(fields.filter(({ value }) => value !== 0n).map(({ name }) => name));
}

/** Cached, because every file asks about the same features. */
function remembered(answer: (feature: string) => Answer): (feature: string) => Answer {
  const known = new Map<string, Answer>();
  return (feature) => {
    const answered = known.get(feature) ?? answer(feature);
    known.set(feature, answered);
    return answered;
  };
}

function refuseArm(name: string, arch: string): void {
  if (arch === "x86_64") return;
  throw new CliError("USAGE", `${name} is ${arch}; scan supports x86-64 programs only`);
}

function planMember(path: string): Member {
  const { plan } = loadPlan(path);
  refuseArm(path, archOf(plan.type));
  const answer = remembered((feature) => planHasFeature(plan, feature));
  return { name: "plan", features: namesOf(planFields(plan)), answer };
}

function nodeMembers(files: readonly string[]): Member[] {
  return loadNodes(files).map(({ profile }) => {
    const { name, cpu } = profile;
    refuseArm(name, cpu.arch);
    const answer = remembered((feature) => offersFeature(profile, feature));
    return { name, features: namesOf(profileFields(cpu) ?? []), answer };
  });
}

/** The pool that the flags name; undefined if they name none. */
export function poolOf({ plan, node }: PoolFlags): Pool | undefined {
  if (plan !== undefined && node !== undefined) {
    throw new CliError(
      "USAGE",
      "give either --plan or --node: all guests of a plan have the same CPU",
    );
  }
  if (plan !== undefined) return { planned: true, members: [planMember(plan)] };
  return node === undefined ? undefined : { planned: false, members: nodeMembers(node) };
}
