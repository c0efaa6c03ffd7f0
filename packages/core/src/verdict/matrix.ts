/** Every ordered pair: can a snapshot from A resume on B? */
import { contractDigest } from "../contract/file.ts";
import { contractType, type CpuContract } from "../contract/contract.ts";
import { sha256 } from "../format/digest.ts";
import { prettyJson } from "../json/pretty.ts";
import type { NodeProfile } from "../profile/profile.ts";
import { formatProfile } from "../profile/file.ts";
import type { CpuType } from "../tables/field.ts";
import type { Verdict } from "./finding.ts";
import { judgePrepared, type Judgement } from "./judge.ts";
import { prepare } from "./prepare.ts";
import { JUDGES } from "./circumstances.ts";
import { REVISION, RULES } from "./rules.ts";

export const MATRIX_SCHEMA = "evenkeel/matrix@1";

/** Nodes that no rule tells apart, and the snapshot one of them would take. */
export interface MatrixEntry {
  readonly label: string;
  readonly nodes: readonly string[];
  readonly profile: NodeProfile;
  readonly contract: CpuContract;
}

export interface MatrixPair extends Judgement {
  readonly from: string;
  readonly to: string;
}

/** Judges all ordered pairs, each entry with itself included, row by row. */
export function judgeMatrix(entries: readonly MatrixEntry[], version?: string): MatrixPair[] {
  const types = new Set(entries.map(({ contract }) => contractType(contract)));
  const rows = new Map<string, MatrixPair[]>();
  for (const type of types) {
    const own = entries.filter(({ contract }) => contractType(contract) === type);
    for (const [label, row] of judgeRows(type, own, entries, version)) rows.set(label, row);
  }
  return entries.flatMap(({ label }) => rows.get(label) ?? []);
}

function judgeRows(
  type: CpuType | undefined,
  from: readonly MatrixEntry[],
  to: readonly MatrixEntry[],
  version: string | undefined,
): Map<string, MatrixPair[]> {
  const contracts = from.map(({ contract }) => contract);
  const profiles = to.map(({ profile }) => profile);
  const bench = prepare(type, contracts, profiles);
  return new Map(
    bench.contracts.map((guest, i) => {
      const label = from[i]?.label ?? "";
      const row = bench.nodes.map((node, j): MatrixPair => {
        const judgement = judgePrepared(bench, guest, node, version);
        return { from: label, to: to[j]?.label ?? "", ...judgement };
      });
      return [label, row];
    }),
  );
}

let rules: string | undefined;

/**
 * Changes when a rule's text does, when a judge reads another fact, and with the revision that is
 * raised by hand: certificates name the version they were made with.
 */
export function rulesVersion(): string {
  const facts = JUDGES.map(({ arch, reads }) => [arch, reads]);
  rules ??= `${REVISION}.${sha256(JSON.stringify([RULES, facts])).slice(0, 8)}`;
  return rules;
}

export interface CertifiedInput {
  readonly file: string;
  readonly name: string;
  /** SHA-256 of the profile in evenkeel's own format. */
  readonly digest: string;
}

/** What was judged, by which rules, with which result: enough to judge it again. */
export interface Certificate {
  readonly schema: typeof MATRIX_SCHEMA;
  readonly rules: string;
  /** How the guests are shaped, as the command line says it. */
  readonly shape: Readonly<Record<string, string>>;
  readonly firecracker: string | undefined;
  readonly inputs: readonly CertifiedInput[];
  readonly entries: readonly { label: string; nodes: readonly string[]; contract: string }[];
  readonly pairs: readonly { from: string; to: string; verdict: Verdict; findings: string }[];
}

export function profileDigest(profile: NodeProfile): string {
  return sha256(formatProfile(profile));
}

export function certify(
  inputs: readonly CertifiedInput[],
  shape: Readonly<Record<string, string>>,
  firecracker: string | undefined,
  entries: readonly MatrixEntry[],
  pairs: readonly MatrixPair[],
): Certificate {
  return {
    schema: MATRIX_SCHEMA,
    rules: rulesVersion(),
    shape,
    firecracker,
    inputs,
    entries: entries.map(({ label, nodes, contract }) => ({
      label,
      nodes,
      contract: contractDigest(contract),
    })),
    pairs: pairs.map(({ from, to, verdict, findings }) => ({
      from,
      to,
      verdict,
      findings: sha256(prettyJson(findings)),
    })),
  };
}

/** Where a certificate and a new judgement of the same inputs differ; empty if it still holds. */
export function disagreements(certificate: Certificate, anew: Certificate): string[] {
  if (certificate.rules !== anew.rules) {
    return [`made with rules ${certificate.rules}; this evenkeel has rules ${anew.rules}`];
  }
  const found: string[] = [];
  const digests = new Map(anew.inputs.map(({ file, digest }) => [file, digest]));
  for (const { file, digest } of certificate.inputs) {
    if (digests.get(file) !== digest) found.push(`${file} has changed`);
  }
  const verdicts = new Map(anew.pairs.map((p) => [`${p.from} → ${p.to}`, p]));
  for (const pair of certificate.pairs) {
    const key = `${pair.from} → ${pair.to}`;
    const now = verdicts.get(key);
    if (now === undefined) found.push(`${key} is not one of the inputs`);
    else if (now.verdict !== pair.verdict) {
      found.push(`${key} is ${now.verdict}; the certificate says ${pair.verdict}`);
    } else if (now.findings !== pair.findings) found.push(`${key} has different findings`);
  }
  if (certificate.pairs.length !== anew.pairs.length) found.push("the pairs are not the same");
  if (found.length === 0 && prettyJson(certificate) !== prettyJson(anew)) {
    found.push("the certificate was changed after it was made");
  }
  return found;
}
