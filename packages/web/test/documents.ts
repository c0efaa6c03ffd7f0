/** Results of commands as tests change them. */
import type { MatrixDocument, PlanDocument, PoolsDocument } from "../src/read/schemas.ts";

export const PLAN: PlanDocument = {
  schema: "evenkeel/pool-plan@1",
  arch: "x86_64",
  vendor: "intel",
  firecracker: ["1.5", "1.16"],
  level: "x86-64-v4",
  identity: { name: "Cascade Lake", reason: "the oldest model here" },
  classes: [
    {
      id: "cascade-lake-1",
      nodes: ["a"],
      template: "templates/a.json",
      model: "Cascade Lake",
      kernels: ["6.8"],
      givesUp: [
        { name: "MPX", title: "memory protection", group: "MPX", reason: { kind: "absent" } },
      ],
    },
    {
      id: "ice-lake-1",
      nodes: ["b", "c"],
      template: "templates/b.json",
      model: "Ice Lake-SP",
      kernels: ["6.8"],
      givesUp: [{ name: "SHA", title: "SHA-1", group: "crypto", reason: { kind: "forbidden" } }],
    },
  ],
  guestCpu: { features: ["SSE3", "AVX512F"] },
  united: [
    { name: "RRSBA", address: "MSR 10AH[19]", title: "RRSBA", group: "x", addedTo: ["ice-lake-1"] },
  ],
  levelled: [],
  masked: [],
  warnings: [],
};

const joint = (left: string[], right: string[], cost: number, joined: boolean) => ({
  left,
  right,
  leftLoses: ["MPX"],
  rightLoses: [],
  cost,
  worstLoss: cost,
  joined,
});

export const TREE: PoolsDocument["tree"] = [
  joint(["a"], ["c"], 2, true),
  joint(["b"], ["d"], 5, true),
  joint(["a", "c"], ["b", "d"], 40, false),
];

export function matrixOf(
  labels: readonly string[],
  verdict: (from: string, to: string) => "compatible" | "incompatible" | "insecure" | "unknown",
): MatrixDocument {
  return {
    schema: "evenkeel/matrix@1",
    shape: {},
    entries: labels.map((label) => ({ label, nodes: [`node of ${label}`] })),
    pairs: labels.flatMap((from) =>
      labels.map((to) => {
        const severity = verdict(from, to);
        const findings =
          severity === "compatible"
            ? []
            : [
                {
                  rule: "feature",
                  severity,
                  address: "CPUID.01H:ECX[0]",
                  name: "SHA",
                  consequence: "A program may die of SIGILL.",
                },
              ];
        return { from, to, verdict: severity, findings };
      }),
    ),
  };
}
