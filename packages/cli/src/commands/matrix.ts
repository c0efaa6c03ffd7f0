/** `evenkeel matrix`: every ordered pair of classes, and a certificate that can be re-checked. */
import {
  certify,
  disagreements,
  inFile,
  judgeMatrix,
  knownLine,
  matrixEntries,
  parseJson,
  prettyJson,
  profileDigest,
  readCertificate,
  withSameClocks,
  type Certificate,
  type MatrixEntry,
  type MatrixPair,
} from "@evenkeel/core";
import { CliError } from "../errors.ts";
import { requireContract, type BootFlags } from "../input/contracts.ts";
import type { ReadFlags } from "../input/documents.ts";
import { loadNodes } from "../input/node-files.ts";
import { displayName, readInput } from "../input/read.ts";
import { openFlags, type TemplateFlags } from "../input/template.ts";
import { writeFileWhole } from "../output/write-files.ts";
import { matrixReport } from "../render/matrix.ts";

export interface MatrixFlags extends BootFlags, ReadFlags, TemplateFlags {
  readonly cert?: string;
  readonly verify?: string;
  readonly json?: boolean;
}

interface Judged {
  readonly entries: readonly MatrixEntry[];
  readonly pairs: readonly MatrixPair[];
  readonly certificate: Certificate;
}

/** How the guests are shaped, as a certificate records it: the flags that say so. */
function shapeRecord({ template, cpuTemplate, plan, kernel }: MatrixFlags) {
  return {
    ...(template === undefined ? {} : { template }),
    ...(cpuTemplate === undefined || cpuTemplate === "None" ? {} : { cpuTemplate }),
    ...(plan === undefined ? {} : { plan }),
    ...(kernel === undefined ? {} : { kernel }),
  };
}

function judgeFiles(files: readonly string[], flags: MatrixFlags): Judged {
  const source = openFlags(flags);
  if (flags.firecracker !== undefined) knownLine(flags.firecracker);
  const loaded = loadNodes(files, flags);
  const entries = matrixEntries(withSameClocks(loaded.map(({ profile }) => profile)), (profile) =>
    requireContract(profile, source, flags),
  );
  const pairs = judgeMatrix(entries, flags.firecracker);
  const inputs = loaded.map(({ file, profile }) => ({
    file,
    name: profile.name,
    digest: profileDigest(profile),
  }));
  const certificate = certify(inputs, shapeRecord(flags), flags.firecracker, entries, pairs);
  return { entries, pairs, certificate };
}

function verify(file: string, json: boolean): number {
  const certificate = inFile(displayName(file), () =>
    readCertificate(parseJson(readInput(file).toString("utf8"))),
  );
  const { shape, firecracker, inputs } = certificate;
  const flags = firecracker === undefined ? shape : { ...shape, firecracker };
  const anew = judgeFiles(
    inputs.map((input) => input.file),
    flags,
  ).certificate;
  const found = disagreements(certificate, anew);
  if (json) process.stdout.write(prettyJson({ proven: found.length === 0, disagreements: found }));
  else if (found.length === 0) {
    const count = certificate.pairs.length;
    process.stdout.write(
      `Re-checked: ${count} verdicts from ${inputs.length} profiles are the same.\n`,
    );
  } else process.stdout.write(`No longer true:\n${found.map((line) => `  ${line}\n`).join("")}`);
  return found.length === 0 ? 0 : 1;
}

export function runMatrix(files: readonly string[], flags: MatrixFlags): number {
  if (flags.verify !== undefined) {
    if (files.length > 0)
      throw new CliError("USAGE", "with --verify the inputs come from the certificate");
    return verify(flags.verify, flags.json === true);
  }
  if (files.length === 0) throw new CliError("USAGE", "no profile given");
  const { entries, pairs, certificate } = judgeFiles(files, flags);
  if (flags.cert !== undefined) writeFileWhole(flags.cert, prettyJson(certificate));
  const text =
    flags.json === true ? prettyJson({ ...certificate, pairs }) : matrixReport(entries, pairs);
  process.stdout.write(text);
  return pairs.every(({ verdict }) => verdict === "compatible") ? 0 : 1;
}
