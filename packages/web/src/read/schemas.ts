/** The results that pages show, as the commands print them with `--json`. */
import { z } from "zod";

const Text = z.string();
const Texts = z.array(Text);
const Severity = z.enum(["incompatible", "insecure", "unknown", "note"]);
const VerdictWord = z.enum(["compatible", "insecure", "incompatible", "unknown"]);

const FindingRow = z.object({
  rule: Text,
  severity: Severity,
  address: Text,
  name: Text,
  promised: Text.optional(),
  offered: Text.optional(),
  consequence: Text,
});

/** `evenkeel matrix --cert` keeps a digest of the findings, `--json` the findings. */
export const MatrixDocument = z.object({
  schema: z.literal("evenkeel/matrix@1"),
  firecracker: Text.optional(),
  shape: z.record(Text, Text).default({}),
  entries: z.array(z.object({ label: Text, nodes: Texts })).max(1000),
  pairs: z
    .array(
      z.object({
        from: Text,
        to: Text,
        verdict: VerdictWord,
        findings: z.union([Text, z.array(FindingRow)]),
      }),
    )
    .max(1_000_000),
});

const WhyNotRow = z.object({
  rule: Text,
  severity: Severity,
  findings: z.array(z.object({ address: Text, name: Text, consequence: Text })),
  moves: z.array(z.object({ from: Texts, to: Texts })),
});

const ReasonRow = z
  .object({
    kind: Text,
    feature: Text.optional(),
    by: Texts.optional(),
    field: Text.optional(),
    level: Text.optional(),
  })
  .optional();

const NamedField = z.object({ name: Text, address: Text, title: Text, group: Text });

export const PlanDocument = z.object({
  schema: z.literal("evenkeel/pool-plan@1"),
  arch: Text,
  vendor: Text.optional(),
  firecracker: Texts.default([]),
  level: Text.nullish(),
  identity: z.object({ name: Text, reason: Text }).partial().nullish(),
  classes: z.array(
    z.object({
      id: Text,
      nodes: Texts,
      template: Text,
      model: Text.optional(),
      signature: Text.nullish(),
      kernels: Texts.default([]),
      givesUp: z
        .array(
          NamedField.partial({ title: true, address: true, group: true }).extend({
            reason: ReasonRow,
          }),
        )
        .optional(),
    }),
  ),
  guestCpu: z.object({ features: Texts }),
  united: z.array(NamedField.extend({ addedTo: Texts })).default([]),
  levelled: z
    .array(
      z.object({
        name: Text,
        address: Text,
        title: Text,
        value: z.number(),
        classes: z.array(z.object({ class: Text, value: z.number() })),
      }),
    )
    .default([]),
  masked: z.array(z.object({ address: Text, classes: Texts })).default([]),
  warnings: Texts.default([]),
  moves: z
    .object({
      judged: z.number(),
      barred: z.array(WhyNotRow).default([]),
      accepted: z.object({ verdict: Text, reasons: z.array(WhyNotRow) }).optional(),
    })
    .optional(),
  proof: z.object({ registers: z.number() }).optional(),
});

export const PoolsDocument = z.object({
  pools: z.array(PlanDocument),
  tree: z.array(
    z.object({
      left: Texts.min(1),
      right: Texts.min(1),
      leftLoses: Texts,
      rightLoses: Texts,
      cost: z.number(),
      worstLoss: z.number(),
      joined: z.boolean(),
    }),
  ),
});

const Outcome = z.object({
  kind: Text,
  ticks: z.number(),
  features: Texts.optional(),
  instruction: Text.optional(),
  message: Text.optional(),
  in: Text.optional(),
});

export const LabDocument = z.object({
  asPredicted: z.boolean(),
  qemu: Text,
  kernel: Text,
  guest: Text,
  rounds: z.number(),
  seconds: z.number(),
  nodes: z.array(z.object({ name: Text, cpu: Text, executes: Texts })),
  grids: z.array(
    z.object({
      pool: Text,
      pairs: z.array(
        z.object({
          from: Text,
          to: Text,
          round: z.number(),
          verdict: VerdictWord,
          findings: z.array(FindingRow),
          outcome: Outcome,
          assessment: z.object({ right: z.boolean(), why: Text }),
        }),
      ),
      refusals: z.array(z.object({ message: Text })),
    }),
  ),
});

const DifferenceRow = z.object({
  name: Text,
  address: Text,
  a: Text.optional(),
  b: Text.optional(),
});

export const DriftDocument = z.object({
  node: Text,
  outcome: z.enum(["none", "template-holds", "new-template", "plan-broken", "changed", "unknown"]),
  matters: z.boolean(),
  reasons: Texts,
  changes: z.object({
    seen: z.array(DifferenceRow),
    facts: z.array(z.object({ fact: Text, from: Text.optional(), to: Text.optional() })),
  }),
  snapshots: z.object({ verdict: VerdictWord, findings: z.array(FindingRow) }),
  plan: z
    .object({
      class: Text,
      classNow: Text,
      leaks: z.array(DifferenceRow),
      lost: z.array(DifferenceRow),
      fatal: Texts,
      unreachable: Texts,
      unproven: Texts,
    })
    .optional(),
});

export const VerifyDocument = z.object({
  subject: Text,
  node: Text,
  class: Text.optional(),
  template: Text.optional(),
  firecracker: Texts,
  registers: z.number(),
  mismatches: z.array(
    z.object({
      owner: Text,
      address: Text,
      name: Text,
      expected: Text.optional(),
      actual: Text.optional(),
      message: Text,
      firecracker: Texts,
    }),
  ),
});

const NotScanned = z.array(z.object({ name: Text, reason: Text }));

export const ScanDocument = z.object({
  files: z.array(
    z.object({
      name: Text,
      kind: Text,
      features: z.array(z.object({ feature: Text, use: Text, sure: Text })),
      code: z.object({ bytes: z.number(), unread: z.number() }),
    }),
  ),
  skipped: NotScanned,
  unread: NotScanned,
  members: Texts.optional(),
  judgements: z
    .array(
      z.object({
        name: Text,
        outcome: z.enum([
          "fine",
          "loses speed",
          "unknown",
          "frozen at snapshot",
          "may die",
          "will die",
        ]),
        reasons: z.array(z.object({ outcome: Text, feature: Text, lacking: Texts, why: Text })),
      }),
    )
    .optional(),
});

export type FindingRow = z.infer<typeof FindingRow>;
export type MatrixDocument = z.infer<typeof MatrixDocument>;
export type PlanDocument = z.infer<typeof PlanDocument>;
export type PoolsDocument = z.infer<typeof PoolsDocument>;
export type LabDocument = z.infer<typeof LabDocument>;
export type DriftDocument = z.infer<typeof DriftDocument>;
export type VerifyDocument = z.infer<typeof VerifyDocument>;
export type ScanDocument = z.infer<typeof ScanDocument>;
