/** What a guest may reach. */
import { z } from "zod";

const EgressRule = z
  .strictObject({
    action: z.enum(["allow", "deny"]),
    cidr: z
      .string()
      .max(18)
      .meta({ description: "An IPv4 network, 203.0.113.0/24, or an address." }),
    protocol: z.enum(["any", "tcp", "udp", "icmp"]).default("any"),
    ports: z
      .array(z.string().regex(/^\d{1,5}(?:-\d{1,5})?$/, { error: "must be a port or a range" }))
      .max(16)
      .default([])
      .meta({ description: "Ports of tcp or udp, such as 443 or 8000-8100; empty means all." }),
  })
  .meta({ id: "EgressRule" });

export const EgressPolicy = z
  .strictObject({
    default: z.enum(["allow", "deny"]).meta({
      description:
        "What happens if no rule matches. Never applies to special networks (private, link-local, …).",
    }),
    dns: z.boolean().optional().meta({
      description: "Whether the guest can use the node's resolver; defaults to `default`.",
    }),
    rules: z.array(EgressRule).max(256).default([]).meta({
      description: "The first matching rule decides.",
    }),
  })
  .meta({ id: "EgressPolicy" });

export type EgressPolicy = z.infer<typeof EgressPolicy>;
