/** What shapes a guest's CPU, and the resulting contract. */
import type { CpuSelection } from "@evenkeel/api";
import {
  FileError,
  KnownError,
  predictContract,
  type CpuContract,
  type NodeProfile,
} from "@evenkeel/core";
import {
  builtInRequest,
  NO_TEMPLATE,
  resolveTemplate,
  type ResolvedTemplate,
  type TemplateRequest,
} from "@evenkeel/host";
import { AgentError } from "../errors.ts";

/** A template that was loaded and linted, or none. */
export type CpuShape = Pick<
  ResolvedTemplate,
  "choice" | "name" | "class" | "plan" | "accepted" | "templateFor"
>;

/** Firecracker's own guest CPU. */
export const NO_SHAPE: CpuShape = {
  choice: { kind: "none" },
  name: undefined,
  templateFor: () => undefined,
};

interface Boot {
  readonly profile: NodeProfile;
  readonly firecracker: string;
  readonly vcpus: number;
  readonly smt: boolean;
  /** Whether guests may run without a protection they need. */
  readonly allowInsecure: boolean;
}

function requestOf(selection: CpuSelection): TemplateRequest {
  if (selection.kind === "none") return NO_TEMPLATE;
  if (selection.kind === "built-in") return builtInRequest(selection.name);
  return { kind: "file", path: selection.name ?? "cpu.template" };
}

/** Errors of the request itself; all others are about this node. */
const BAD_INPUT = new Set(["TEMPLATE_UNKNOWN", "VMM_BODY_TOO_LARGE"]);

/** The shape that a request specifies; throws BAD_REQUEST, CPU_REFUSED. */
export function shapeOf(selection: CpuSelection, boot: Boot): CpuShape {
  const { profile, firecracker, allowInsecure } = boot;
  const template = selection.kind === "template" ? selection.template : {};
  const read = () => JSON.stringify(template);
  try {
    const context = { profile, versions: [firecracker], allowInsecure, read };
    return resolveTemplate(requestOf(selection), context);
  } catch (cause) {
    if (!(cause instanceof KnownError)) throw cause;
    const isInput = cause instanceof FileError || BAD_INPUT.has(cause.code);
    const code = isInput ? "BAD_REQUEST" : "CPU_REFUSED";
    throw new AgentError(code, cause.message, { cause });
  }
}

/**
 * The contract of a guest that boots here with this shape; throws CPU_REFUSED where Firecracker
 * would not boot it.
 */
export function contractOf(shape: CpuShape, boot: Boot): CpuContract {
  const { profile, firecracker, vcpus, smt } = boot;
  const template = shape.templateFor(firecracker);
  const result = predictContract(profile, {
    firecracker,
    vcpus,
    smt,
    time: new Date().toISOString(),
    ...(template === undefined ? {} : { template }),
    ...(shape.name === undefined ? {} : { templateName: shape.name }),
    ...(shape.class === undefined ? {} : { class: shape.class }),
    ...(shape.plan === undefined ? {} : { plan: shape.plan }),
  });
  if (result.ok) return result.contract;
  const lacks = result.missing.join(", ");
  throw new AgentError("CPU_REFUSED", `${profile.name} cannot boot this guest: it lacks ${lacks}`);
}
