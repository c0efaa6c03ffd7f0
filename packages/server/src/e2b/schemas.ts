/**
 * What E2B's SDKs send. Members that a newer SDK adds are let pass, since it sends them to every
 * server; members that ask for what this server does not have are refused by name.
 */
import { z } from "zod";
import { SandboxId } from "@evenkeel/api/fleet";
import { notImplemented } from "./errors.ts";

const DAY = 24 * 3600;
const Timeout = z
  .int()
  .min(0)
  .max(30 * DAY);
const Texts = z.record(z.string().max(256), z.string().max(32_768));
const Metadata = z
  .record(z.string().max(256), z.string().max(4096))
  .refine((all) => Object.keys(all).length <= 64, { error: "has more than 64 entries" });

const Network = z.object({
  allowPublicTraffic: z.boolean().nullish(),
  allowOut: z.array(z.string()).nullish(),
  denyOut: z.array(z.string()).nullish(),
  egressProxy: z.unknown().optional(),
  maskRequestHost: z.string().nullish(),
  rules: z.unknown().optional(),
});

export const NewSandbox = z.object({
  templateID: z.string().min(1).max(128),
  timeout: Timeout.nullish(),
  autoPause: z.boolean().nullish(),
  autoPauseMemory: z.boolean().nullish(),
  autoResume: z.object({ enabled: z.boolean().nullish() }).nullish(),
  allow_internet_access: z.boolean().nullish(),
  network: Network.nullish(),
  metadata: Metadata.nullish(),
  envVars: Texts.nullish(),
  mcp: z.unknown().optional(),
  iam: z.unknown().optional(),
  volumeMounts: z.array(z.unknown()).nullish(),
});
export type NewSandbox = z.infer<typeof NewSandbox>;

export const Connect = z.object({ timeout: Timeout.nullish(), memory: z.boolean().nullish() });
export const Resume = Connect.extend({ autoPause: z.boolean().nullish() });
export const Pause = z.object({ memory: z.boolean().nullish() });
export const SetTimeout = z.object({ timeout: Timeout });
export const Refresh = z.object({ duration: z.int().min(0).max(3600).nullish() });
export const BySandbox = z.object({ sandboxID: SandboxId });

export const ListQuery = z.object({
  metadata: z.string().max(8192).optional(),
  state: z.string().max(64).optional(),
  template: z.string().max(128).optional(),
  startedAfter: z.iso.datetime({ offset: true }).optional(),
  order: z.enum(["asc", "desc"]).optional(),
  nextToken: z.string().max(256).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(100),
});
export type ListQuery = z.infer<typeof ListQuery>;

function isGiven(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  return !(Array.isArray(value) && value.length === 0);
}

/** Throws what this server does not have. */
export function requireKnown(body: NewSandbox): void {
  const { network, autoPauseMemory } = body;
  const asked = {
    volumeMounts: body.volumeMounts,
    iam: body.iam,
    mcp: body.mcp,
    "network.allowOut": network?.allowOut,
    "network.denyOut": network?.denyOut,
    "network.egressProxy": network?.egressProxy,
    "network.maskRequestHost": network?.maskRequestHost,
    "network.rules": network?.rules,
    autoPauseMemory: autoPauseMemory === false ? autoPauseMemory : undefined,
    // The agents' egress rules are the operator's until work for nodes carries a policy.
    allow_internet_access: body.allow_internet_access === false ? false : undefined,
  };
  for (const [name, value] of Object.entries(asked)) {
    if (isGiven(value)) throw notImplemented(name);
  }
}
