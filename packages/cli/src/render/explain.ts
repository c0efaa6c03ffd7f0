/** Explained crashes as a person reads them at night: what, who has it, what to do. */
import {
  summarizeCrash,
  type CrashContext,
  type ExplainedCrash,
  type Explanation,
} from "@evenkeel/isa";
import { heading, labelled, paragraph, plural } from "./layout.ts";

const COLUMN = 16;

function fact(label: string, ...lines: readonly (string | undefined)[]): string[] {
  return lines
    .filter((line) => line !== undefined && line !== "")
    .flatMap((line, i) => labelled(i === 0 ? label : "", (line ?? "").split(" "), 2, COLUMN));
}

function title({ crash }: ExplainedCrash): string {
  const { process, pids, words, file, ip, ring } = crash;
  const who = process ?? (ring === "kernel" ? "the kernel" : undefined);
  const pid = pids.length === 1 ? `[${pids[0]}]` : "";
  const what = who === undefined ? words : `${who}${pid}: ${words}`;
  return what + (file === undefined ? "" : ` in ${file}`) + (ip === undefined ? "" : ` at ${ip}`);
}

function countLine({ crash }: ExplainedCrash): string | undefined {
  const { count, lines, report, pids } = crash;
  const [first, last] = lines;
  const where =
    first === undefined
      ? ""
      : last === undefined
        ? `, line ${first}`
        : `, lines ${first} to ${last}`;
  if (count === 1) return first === undefined ? undefined : report + where;
  const some = pids.slice(0, 5).join(", ") + (pids.length > 5 ? ", …" : "");
  return `${report}${where}: ${count} times${some === "" ? "" : ` (pids ${some})`}`;
}

function instructionLines({ instruction, crash }: ExplainedCrash): string[] {
  const { file, address, symbol } = crash;
  const place = [address === undefined ? undefined : `${file ?? "the file"} ${address}`, symbol];
  const known = place.filter((part) => part !== undefined);
  return [
    ...fact("instruction", instruction?.text, instruction?.bytes),
    ...fact("at", known.join(", ")),
  ];
}

/** `XCR0[2,5,6,7], CR4.OSXSAVE[18]`. */
function controls({ enablement }: ExplainedCrash): string {
  const bits = enablement.flatMap(({ bit }) => bit ?? []);
  const others = enablement.filter(({ bit }) => bit === undefined).map(({ control }) => control);
  return [...(bits.length > 0 ? [`XCR0[${bits.join(",")}]`] : []), ...others].join(", ");
}

function needLines(explained: ExplainedCrash): string[] {
  const { evidence, crash } = explained;
  if (evidence === undefined) return [];
  const { features: needed } = evidence;
  // A level has too many for a line each; --json has their addresses.
  const features =
    explained.cause === "refused" && needed.length > 3
      ? [needed.map(({ name }) => name).join(", ")]
      : needed.map(({ name, title: t, address }) => `${name} (${t}), ${address}`);
  const on = controls(explained);
  const was = crash.xcr0 === undefined ? "" : `; XCR0 was ${crash.xcr0}`;
  return [
    ...fact(evidence.anySuffices ? "needs one of" : "needs", ...features),
    ...(on === "" ? [] : fact("switched on", `by the guest's kernel: ${on}${was}`)),
  ];
}

function promiseLine({ evidence }: ExplainedCrash, { contract }: CrashContext): string[] {
  if (evidence?.promised === undefined || contract === undefined) return [];
  const by = `by the snapshot of ${contract.node}, Firecracker ${contract.firecracker}`;
  const answer = {
    yes: `yes, ${by}`,
    no: `no, not ${by}`,
    unknown: "unknown: the contract is incomplete",
  };
  return fact("promised", answer[evidence.promised]);
}

function planLine({ evidence }: ExplainedCrash): string[] {
  if (evidence?.planned === undefined) return [];
  const answer = {
    yes: "the pool's guests have it",
    no: "the pool's guests do not see it",
    unknown: "unknown",
  };
  return fact("plan", answer[evidence.planned]);
}

function holderLines({ evidence }: ExplainedCrash): string[] {
  if (evidence?.holders === undefined) return [];
  const { have, lack, unknown, of } = evidence.holders;
  const row = (label: string, names: readonly string[]) =>
    names.length === 0 ? [] : fact(label, `${plural(names.length, of)}: ${names.join(", ")}`);
  return [...row("have it", have), ...row("lack it", lack), ...row("unknown for", unknown)];
}

function section(name: string, sentences: readonly string[]): string[] {
  if (sentences.length === 0) return [];
  return ["", heading(name), ...sentences.flatMap((sentence) => paragraph(sentence, 2))];
}

function crashLines(explained: ExplainedCrash, context: CrashContext): string[] {
  return [
    heading(title(explained)),
    ...fact("reported by", countLine(explained)),
    ...instructionLines(explained),
    ...needLines(explained),
    ...promiseLine(explained, context),
    ...holderLines(explained),
    ...planLine(explained),
    ...fact("doubt", ...explained.doubts),
    ...section("What happened", explained.happened),
    ...section("Now", explained.now),
    ...section("For good", explained.forGood),
    ...section("To say more, give", explained.missing),
    "",
  ];
}

export function explainReport({ crashes }: Explanation, context: CrashContext): string {
  const full = crashes.filter(({ cause }) => cause !== "other-fault");
  const rest = crashes.filter(({ cause }) => cause === "other-fault");
  if (full.length === 0) return rest.flatMap((crash) => crashLines(crash, context)).join("\n");
  const overview =
    full.length < 2
      ? []
      : [
          heading(`${full.length} different crashes`),
          ...full.flatMap((c) => paragraph(summarizeCrash(c), 2)),
          "",
        ];
  const others =
    rest.length === 0
      ? []
      : [
          heading("Other faults, not invalid opcodes"),
          ...rest.flatMap((c) => paragraph(summarizeCrash(c), 2)),
          "",
        ];
  return [...overview, ...full.flatMap((crash) => crashLines(crash, context)), ...others].join(
    "\n",
  );
}
