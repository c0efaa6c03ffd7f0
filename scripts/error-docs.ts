/**
 * docs/errors.md from the packages' registries: `npm run docs` writes it, a test keeps it equal.
 */
import { AGENT_ERRORS } from "@evenkeel/agent";
import { CORE_ERRORS } from "@evenkeel/core";
import { HOST_ERRORS } from "@evenkeel/host";
import { ISA_ERRORS } from "@evenkeel/isa";
import { LAB_ERRORS } from "@evenkeel/lab";
import { SERVER_ERRORS } from "@evenkeel/server";
import { CLI_ERRORS } from "../packages/cli/src/errors.ts";

interface ErrorKind {
  readonly exitCode: number;
  readonly hint: string;
  /** What an API answers with it. */
  readonly status?: number;
}

const SECTIONS: readonly (readonly [title: string, errors: Readonly<Record<string, ErrorKind>>])[] =
  [
    ["Of the command line", CLI_ERRORS],
    ["Of profiles, plans, templates and snapshots", CORE_ERRORS],
    ["Of the machine: KVM, kernels, VMMs, guests", HOST_ERRORS],
    ["Of crashes and binaries", ISA_ERRORS],
    ["Of a node's agent", AGENT_ERRORS],
    ["Of the fleet service", SERVER_ERRORS],
    ["Of the lab", LAB_ERRORS],
  ];

const HEAD = `# Errors

Every error has a code, an exit code and a hint. With \`--json\` they are printed as
\`{ "error": { "code", "message", "hint", "file"?, "problems"? } }\` on standard output.

Exit codes: 1 the answer is no, 2 usage or bad input, 3 the environment failed. A pool that cannot be planned is not an
error but an answer: \`evenkeel plan\` exits with 1 and says why.

\`npm run docs\` writes this page.
`;

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[], filler = " ") =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0, filler)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  const rule = head.map(() => "-");
  return [line(head), line(rule, "-"), ...body.map((row) => line(row))];
}

export function errorPage(): string {
  const sections = SECTIONS.map(([title, errors]) => {
    const hasStatus = Object.values(errors).some(({ status }) => status !== undefined);
    const rows = Object.entries(errors)
      .map(([code, { exitCode, hint, status = "" }]) => {
        return [`\`${code}\``, String(exitCode), ...(hasStatus ? [String(status)] : []), hint];
      })
      .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
    const head = ["code", "exit", ...(hasStatus ? ["HTTP"] : []), "hint"];
    return `## ${title}\n\n${table([head, ...rows]).join("\n")}\n`;
  });
  return [HEAD, ...sections].join("\n");
}
