/** One line for a log, an alert or a table. */
import { listOf } from "@evenkeel/core";
import type { Cause } from "./cause.ts";
import { few } from "./facts.ts";
import type { ExplainedCrash } from "./explain.ts";

const quoted = ({ instruction }: ExplainedCrash) => `"${instruction?.text ?? ""}"`;

function needs(explained: ExplainedCrash): string {
  const { features = [] } = explained.evidence ?? {};
  return `${quoted(explained)} needs ${listOf(features.map(({ name }) => name))}`;
}

function missing(explained: ExplainedCrash): string {
  const { promised, holders } = explained.evidence ?? {};
  const { lack = [] } = holders ?? {};
  return (
    needs(explained) +
    (promised === "yes" ? ", which its snapshot promised" : "") +
    (lack.length > 0 ? `, missing on ${few(lack)}` : "")
  );
}

function unknown({ crash, suspects }: ExplainedCrash): string {
  const where =
    crash.file === undefined ? "SIGILL" : `an invalid opcode in ${crash.file} at ${crash.ip}`;
  return suspects.length === 0
    ? `${where}; the report does not say which instruction`
    : `${where}; its snapshot promised ${few(suspects)}, which a node lacks`;
}

const WHAT: Readonly<Record<Cause, (explained: ExplainedCrash) => string>> = {
  "missing-feature": missing,
  "needs-feature": missing,
  "not-promised": (e) => `${needs(e)}, which its snapshot did not promise`,
  "not-enabled": (e) => `${needs(e)}, which was not enabled`,
  "no-permission": (e) => `${quoted(e)} needs permission to use AMX`,
  deliberate: (e) => `${e.instruction?.mnemonic ?? "UD2"}: it stopped itself on purpose`,
  breakpoint: () => "a breakpoint (INT3)",
  privileged: (e) => `${quoted(e)} is for kernels only`,
  hypervisor: (e) => `${quoted(e)} is for hypervisors only`,
  "cannot-fault": (e) => `${quoted(e)} is not what died: another build of the file?`,
  "every-cpu": (e) => `${quoted(e)} is not what died: another build of the file?`,
  "not-code": () => "no instruction there: a jump to a wrong place",
  newer: () => "an instruction newer than the decoder, or data",
  "cut-short": () => "too few bytes of the instruction",
  "other-build": ({ crash }) =>
    `${crash.file ?? "the file"} that was given is not the one that ran`,
  refused: ({ crash, evidence }) =>
    `${crash.words}: it needs ${few((evidence?.features ?? []).map(({ name }) => name))}`,
  sent: () => "the signal was sent by a process",
  "no-bytes": unknown,
  "other-fault": ({ crash }) => crash.words,
  aarch64: () => "an undefined instruction on aarch64",
};

/** `node[2562]: "vpermi2b zmm0, zmm0, zmm1" needs AVX512_VBMI, which its snapshot promised, …`. */
export function summarizeCrash(explained: ExplainedCrash): string {
  const { process, pids, count, ring } = explained.crash;
  const who = process ?? (ring === "kernel" ? "kernel" : "program");
  const pid = pids.length === 1 ? `[${pids[0]}]` : "";
  const times = count > 1 ? ` (${count} times)` : "";
  return `${who}${pid}${times}: ${WHAT[explained.cause](explained)}`;
}
