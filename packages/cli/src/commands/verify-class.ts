/** Which class of a plan this machine is of: by its name, else by its CPU. */
import { classId, type GuestCpu, type PlanFile } from "@evenkeel/core";
import { probe } from "@evenkeel/host";
import { CliError } from "../errors.ts";

export interface PlannedClass {
  readonly id: string;
  /** Relative to the plan. */
  readonly template: string;
  readonly guest: GuestCpu;
  readonly notes: readonly string[];
}

/** Class ids end in a digest that is as long as it takes to tell a plan's classes apart. */
function isSameClass(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/**
 * A node that the plan names is of the class that it says, even where its CPU has become another
 * since: that is what the operator's launcher goes by, and a note says so.
 */
export async function plannedClassOf(
  plan: PlanFile,
  path: string,
  node: string,
  kvm: string,
): Promise<PlannedClass> {
  if (plan.type === "aarch64") {
    throw new CliError("USAGE", `${path}: verify is for plans of x86 nodes`);
  }
  const own = classId(await probe({ kvm, name: node }));
  const named = plan.classes.find(({ nodes }) => nodes.includes(node));
  const alike = plan.classes.find(({ id }) => own !== undefined && isSameClass(id, own));
  const found = named ?? alike;
  if (found === undefined) {
    const message = `${path} has neither a node "${node}" nor a class with this CPU (${own ?? "?"})`;
    throw new CliError("NODE_NOT_PLANNED", message);
  }
  const { id, template } = found;
  const moved = own !== undefined && !isSameClass(id, own);
  const notes = moved
    ? [`The plan counts this node among ${id}, but its CPU is now ${own}: plan the pool again.`]
    : [];
  return { id, template, guest: plan.guest, notes };
}
