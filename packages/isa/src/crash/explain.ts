/**
 * Crashes explained: from the report of a crash to its instruction, the feature it needs, who has
 * it and who was promised it, what happened and what to do.
 */
import type { Answer } from "@evenkeel/core";
import type { ByteSource } from "../elf/bytes.ts";
import { hexAddress } from "../elf/numbers.ts";
import { IsaError } from "../errors.ts";
import { enablementOf, type Enablement } from "../features/enablement.ts";
import { buildIdOf, fitsMapping, locate, type Binary, type Located } from "./binary.ts";
import { suspectsIn } from "./broken-promises.ts";
import { readBytes } from "./byte-dump.ts";
import { causeOf, isCpuProblem, isFeatureCause, isOtherBuild, type Cause } from "./cause.ts";
import { useIn, type CodeUse } from "./code-use.ts";
import type { CrashContext } from "./context.ts";
import { readCore } from "./core-file.ts";
import { gather, type Evidence } from "./evidence.ts";
import type { Facts, Story } from "./facts.ts";
import { decodeAt, type Decoded, type DecodedInstruction } from "./instruction.ts";
import { groupSites, readSites, type CrashGroup } from "./report.ts";
import { siteOf, type CrashSite } from "./site.ts";
import { storyOf } from "./story.ts";
import { readAssembly } from "./assembly.ts";
import { featuresNamed } from "./refusals.ts";
import { needing } from "../features/requirements.ts";
import { readDeclaredLevels } from "../elf/notes.ts";

/** Who died, where and how often, ready to print. */
export interface CrashFacts {
  readonly report: string;
  readonly process: string | undefined;
  readonly ring: CrashSite["ring"];
  /** The fault in the report's words. */
  readonly words: string;
  readonly count: number;
  readonly pids: readonly number[];
  /** Lines of the first and the last report. */
  readonly lines: readonly number[];
  /** The instruction pointer, `0x257c2dd`. */
  readonly ip: string | undefined;
  /** The file that was mapped there. */
  readonly file: string | undefined;
  /** The address in the file, as objdump shows it; undefined without the file. */
  readonly address: string | undefined;
  readonly symbol: string | undefined;
  /** XCR0 of the guest's kernel, where a core file shows it. */
  readonly xcr0: string | undefined;
}

export interface ExplainedCrash extends Story {
  readonly crash: CrashFacts;
  readonly cause: Cause;
  /** Whether it is about what CPUs have. */
  readonly cpuProblem: Answer;
  readonly instruction: DecodedInstruction | undefined;
  /** Features, and who has them; undefined where the instruction is not known or needs none. */
  readonly evidence: Evidence | undefined;
  /** Where the instruction is not known: features that were promised and that a node lacks. */
  readonly suspects: readonly string[];
  /** What the guest's kernel must have switched on for the instruction. */
  readonly enablement: readonly Enablement[];
  /** What a scan of the binary says about the features; undefined without the binary. */
  readonly use: CodeUse | undefined;
  /** Why the instruction may not be the one that died. */
  readonly doubts: readonly string[];
}

export interface Explanation {
  /** The most frequent first. */
  readonly crashes: readonly ExplainedCrash[];
}

/** The binary that a mapping names, or that fits it; without a mapping the only one given. */
function binaryFor({ mapping }: CrashSite, binaries: readonly Binary[]): Binary | undefined {
  if (mapping === undefined) return binaries.length === 1 ? binaries[0] : undefined;
  return (
    binaries.find(({ name }) => name === mapping.name) ??
    binaries.find((binary) => fitsMapping(binary, mapping))
  );
}

function factsOf({ site, count, pids, lastLine }: CrashGroup, located: Located | undefined) {
  const hex = (value: number | undefined) => (value === undefined ? undefined : hexAddress(value));
  return {
    report: site.report,
    process: site.process,
    ring: site.ring,
    words: site.words,
    count,
    pids,
    lines: [...new Set([site.line, lastLine])].filter((line) => line !== undefined),
    ip: hex(site.ip),
    file: site.mapping?.name,
    address: hex(located?.address),
    symbol: located?.symbol ?? site.symbol,
    xcr0: site.xcr0 === undefined ? undefined : `0x${site.xcr0.toString(16)}`,
  } satisfies CrashFacts;
}

function evidenceFor(decoded: Decoded | undefined, context: CrashContext): Evidence | undefined {
  if (typeof decoded !== "object") return undefined;
  const evidence = gather(decoded.requirements, context);
  return evidence.features.length === 0 ? undefined : evidence;
}

function doubtsOf(bytes: Buffer | undefined, located: Located | undefined): string[] {
  if (located === undefined) return [];
  const { doubts, bytes: inFile, onBoundary } = located;
  const differ =
    bytes !== undefined &&
    inFile !== undefined &&
    !bytes.subarray(0, 4).equals(inFile.subarray(0, 4));
  return [
    ...doubts,
    ...(differ
      ? ["the report's bytes differ from the file's: another build, or code changed"]
      : []),
    ...(onBoundary === false
      ? ["decoded from the start of its function, no instruction begins at this address"]
      : []),
  ];
}

/** By its bytes, else by what a debugger wrote. */
function decodedOf({ ip, assembly }: CrashSite, bytes: Buffer | undefined): Decoded | undefined {
  if (bytes !== undefined && bytes.length > 0) return decodeAt(bytes, ip);
  const read = assembly === undefined ? undefined : readAssembly(assembly);
  return read && { text: assembly?.trim() ?? "", bytes: "", length: 0, ...read };
}

/** What a program says it misses, or what its file declares. */
function refusalEvidence(
  { needs, mapping }: CrashSite,
  binary: Binary | undefined,
  context: CrashContext,
): Evidence | undefined {
  const named = binary !== undefined && (mapping === undefined || mapping.name === binary.name);
  const declared = named ? readDeclaredLevels(binary.elf).needed : [];
  const features = needs ?? featuresNamed(declared.join(" "));
  return features.length === 0 ? undefined : gather(needing(features), context);
}

/** Only a file that has the bytes that died says how it came to them. */
function useOf(
  binary: Binary | undefined,
  located: Located | undefined,
  bytes: Buffer | undefined,
  decoded: Decoded | undefined,
): CodeUse | undefined {
  if (binary === undefined || located?.bytes === undefined || bytes === undefined) return undefined;
  if (typeof decoded !== "object" || !located.inCode) return undefined;
  const same = located.bytes.subarray(0, decoded.length).equals(bytes.subarray(0, decoded.length));
  const { features, oneOf } = decoded.requirements;
  return same ? useIn(binary, [...features, ...oneOf]) : undefined;
}

function explainGroup(group: CrashGroup, context: CrashContext): ExplainedCrash {
  const { site } = group;
  const binary = binaryFor(site, context.binaries ?? []);
  const located = binary === undefined ? undefined : locate(site, binary);
  const bytes = site.bytes ?? located?.bytes;
  const decoded = decodedOf(site, bytes);
  const evidence =
    site.fault === "refused"
      ? refusalEvidence(site, binary, context)
      : evidenceFor(decoded, context);
  const seen = causeOf(site, bytes, decoded, evidence, located, context.diedOn);
  const buildId = binary === undefined ? undefined : buildIdOf(binary.elf);
  const verified = buildId !== undefined && buildId === site.mapping?.buildId;
  const other =
    site.bytes === undefined && !verified && located !== undefined && isOtherBuild(seen, located);
  const cause = other ? "other-build" : seen;
  const facts: Facts = {
    site,
    bytes,
    decoded,
    evidence,
    context,
    use: isFeatureCause(cause) ? useOf(binary, located, bytes, decoded) : undefined,
    otherBuild: other ? { buildId } : undefined,
  };
  const instruction = typeof decoded === "object" && !other ? decoded : undefined;
  const { features = [], oneOf = [] } = instruction?.requirements ?? {};
  return {
    crash: factsOf(group, other ? undefined : located),
    cause,
    cpuProblem: isCpuProblem(cause),
    instruction,
    evidence,
    suspects: cause === "no-bytes" ? suspectsIn(context) : [],
    enablement: enablementOf([...features, ...oneOf]),
    ...storyOf(cause, facts),
    use: facts.use,
    doubts: doubtsOf(site.bytes, located),
  };
}

function alone(site: CrashSite): CrashGroup {
  const pids = site.pid === undefined ? [] : [site.pid];
  return { site, count: 1, pids, lastLine: site.line };
}

/**
 * Explains every crash that a text tells of: a kernel log, a guest's console, an excerpt of a
 * journal, `coredumpctl info`, what a runtime printed. Other text is passed over.
 * Empty where there is none.
 */
export function explainCrash(text: string, context: CrashContext = {}): Explanation {
  const groups = groupSites(readSites(text));
  return { crashes: groups.map((group) => explainGroup(group, context)) };
}

/** Explains an instruction by its bytes: `62 f2 7d 48 75 c1`. Throws BAD_BYTES. */
export function explainBytes(text: string, context: CrashContext = {}): Explanation {
  const facts = { report: "bytes", fault: "invalid-opcode", words: "bytes given" } as const;
  const site = siteOf({ ...facts, bytes: readBytes(text) });
  return { crashes: [explainGroup(alone(site), context)] };
}

/** Which file a core died in, so that it can be opened. */
export interface CoreNeeds {
  readonly path: string | undefined;
  readonly buildId: string | undefined;
}

/**
 * Explains a core file. `open` is asked for the file that the instruction pointer was in, where
 * `context.binaries` does not have it; a file with another build id is not used.
 * Throws BAD_CORE, NOT_ELF and BAD_ELF with the place in the core.
 */
export function explainCore(
  source: ByteSource,
  context: CrashContext = {},
  open: (needs: CoreNeeds) => Binary | undefined = () => undefined,
): Explanation {
  const { site, path, problems } = readCore(source);
  const { buildId } = site.mapping ?? {};
  const given = binaryFor(site, context.binaries ?? []);
  const found = given ?? open({ path, buildId });
  const foundId = found === undefined ? undefined : buildIdOf(found.elf);
  if (
    given !== undefined &&
    buildId !== undefined &&
    foundId !== undefined &&
    foundId !== buildId
  ) {
    const message = `${given.name} has build id ${foundId}, but the core is of ${buildId}`;
    throw new IsaError("WRONG_BINARY", message);
  }
  // A file that was not given is used only where it is surely the one that ran.
  const usable = found !== undefined && (given !== undefined || foundId === buildId);
  const binaries = usable ? [found] : [];
  const explained = explainGroup(alone(site), { ...context, binaries });
  const cut = problems.map((problem) => `the core file is damaged: ${problem}`);
  return { crashes: [{ ...explained, doubts: [...explained.doubts, ...cut] }] };
}
