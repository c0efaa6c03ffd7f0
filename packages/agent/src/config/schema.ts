/** What the options' values may be. */
import { resolve } from "node:path";
import type { Options } from "@evenkeel/api";
import { z } from "zod";
import { AGENT_OPTIONS, CPU_TEMPLATES, type AgentOptionKey } from "./options.ts";

const path = z.string().min(1);
/** Absolute, since a VMM is started in its microVM's directory. */
const directory = path.transform((given) => resolve(given));
/** Environment variables and flags are text. */
const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const flag = z.preprocess((value) => {
  if (value === "1" || value === "true") return true;
  return value === "0" || value === "false" || value === "" ? false : value;
}, z.boolean());

const WEEK = 7 * 24 * 3600;

export const AGENT_SCHEMAS = {
  dataDir: directory.default(AGENT_OPTIONS.dataDir.default),
  listen: path.default(AGENT_OPTIONS.listen.default),
  tokenFile: path.optional(),
  readTokenFile: path.optional(),
  overrideTokenFile: path.optional(),
  profile: path.optional(),
  foreignProfile: flag.default(AGENT_OPTIONS.foreignProfile.default),
  firecracker: z.string().min(1).optional(),
  versionsDir: directory.default(AGENT_OPTIONS.versionsDir.default),
  kernelsDir: directory.default(AGENT_OPTIONS.kernelsDir.default),
  imagesDir: directory.default(AGENT_OPTIONS.imagesDir.default),
  cpuTemplate: z.enum(CPU_TEMPLATES).default(AGENT_OPTIONS.cpuTemplate.default),
  customCpuTemplate: path.optional(),
  plan: path.optional(),
  server: z.url({ protocol: /^https$/, error: "must be https://host:port" }).optional(),
  join: z.string().min(1).optional(),
  allowInsecure: flag.default(AGENT_OPTIONS.allowInsecure.default),
  allowUnknown: flag.default(AGENT_OPTIONS.allowUnknown.default),
  isolation: z.enum(["full", "none"]).default(AGENT_OPTIONS.isolation.default),
  ioMib: count(1, 1_000_000).optional(),
  slotsAhead: count(0, 1000).default(AGENT_OPTIONS.slotsAhead.default),
  firstUser: count(65_536, 2 ** 31 - 200_000).default(AGENT_OPTIONS.firstUser.default),
  networkPool: z.string().min(1).optional(),
  dns: z.string().min(1).optional(),
  egress: z.enum(["allow", "deny"]).default(AGENT_OPTIONS.egress.default),
  openNetworks: z.string().default(""),
  signingKey: path.optional(),
  trustedKeys: path.optional(),
  verifyOnResume: flag.default(AGENT_OPTIONS.verifyOnResume.default),
  scrubHours: count(0, 24 * 365).default(AGENT_OPTIONS.scrubHours.default),
  maxSandboxes: count(1, 100_000).default(AGENT_OPTIONS.maxSandboxes.default),
  maxMemoryMib: count(16, 2 ** 31).optional(),
  defaultTimeoutSeconds: count(1, 4 * WEEK).default(AGENT_OPTIONS.defaultTimeoutSeconds.default),
  keepFailedSeconds: count(1, 4 * WEEK).default(AGENT_OPTIONS.keepFailedSeconds.default),
  logLevel: z
    .enum(["debug", "info", "warn", "error", "silent"])
    .default(AGENT_OPTIONS.logLevel.default),
} as const satisfies Record<AgentOptionKey, z.ZodType>;

export type AgentConfig = Options<typeof AGENT_SCHEMAS>;
