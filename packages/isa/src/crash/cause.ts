/** Why it died, as one word; the story in sentences is story.ts. */
import type { Answer } from "@evenkeel/core";
import { enablementOf } from "../features/enablement.ts";
import type { Located } from "./binary.ts";
import { isBaseline, type Evidence } from "./evidence.ts";
import type { Decoded, DecodedInstruction } from "./instruction.ts";
import type { CrashSite } from "./site.ts";

/**
 * - `missing-feature`: it needs a feature that the node, or some node, does not have
 * - `needs-feature`: it needs a feature; nothing given says who has it
 * - `not-promised`: it needs a feature that the guest was never told it has
 * - `not-enabled`: the CPU has the feature, but it is switched off for programs
 * - `no-permission`: AMX without asking Linux for it
 * - `deliberate`: UD2 and its like: the program stopped itself
 * - `breakpoint`: INT3
 * - `privileged`: for kernels only
 * - `hypervisor`: for hypervisors only
 * - `cannot-fault`: without its feature it does something else, or nothing
 * - `every-cpu`: every x86-64 CPU executes it, so the bytes are not those that died
 * - `not-code`: no instruction: data, garbage, or a jump to the wrong place
 * - `newer`: an encoding of extensions that are newer than the decoder
 * - `cut-short`: the bytes end before the instruction does
 * - `other-build`: the file that was given is not the one that ran
 * - `refused`: the program or the loader said which features it misses, and ended
 * - `sent`: the signal was sent by a process
 * - `no-bytes`: the report does not have the bytes, and nothing given does
 * - `other-fault`: not an invalid opcode
 * - `aarch64`: not x86
 */
export type Cause =
  | "missing-feature"
  | "needs-feature"
  | "not-promised"
  | "not-enabled"
  | "no-permission"
  | "deliberate"
  | "breakpoint"
  | "privileged"
  | "hypervisor"
  | "cannot-fault"
  | "every-cpu"
  | "not-code"
  | "newer"
  | "cut-short"
  | "other-build"
  | "refused"
  | "sent"
  | "no-bytes"
  | "other-fault"
  | "aarch64";

const CPU_PROBLEMS: ReadonlySet<Cause> = new Set([
  "missing-feature",
  "needs-feature",
  "not-promised",
  "refused",
]);
const UNDECIDED: ReadonlySet<Cause> = new Set([
  "aarch64",
  "cut-short",
  "newer",
  "no-bytes",
  "not-enabled",
  "other-build",
]);

/** Whether a cause is about what CPUs have: the one problem of this project. */
export function isCpuProblem(cause: Cause): Answer {
  if (CPU_PROBLEMS.has(cause)) return "yes";
  return UNDECIDED.has(cause) ? "unknown" : "no";
}

const TRAPS = new Set(["UD0", "UD1", "UD2"]);
const BREAKPOINTS = new Set(["INT3", "INT1", "INT"]);

/**
 * `si_code` of an AMX instruction without permission; #UD has ILL_ILLOPN, 2.
 * Source: Linux arch/x86/kernel/traps.c (handle_xfd_event, exc_invalid_op).
 */
const ILL_ILLOPC = 1;

/** The XCR0 bits that an instruction needs and the guest's kernel has not set. */
export function missingState(xcr0: bigint | undefined, features: readonly string[]): string[] {
  if (xcr0 === undefined) return [];
  return enablementOf(features)
    .filter(({ bit }) => bit !== undefined && ((xcr0 >> BigInt(bit)) & 1n) === 0n)
    .map(({ control }) => control);
}

function featureCause(
  site: CrashSite,
  { requirements }: DecodedInstruction,
  { promised, holders }: Evidence,
  diedOn: string | undefined,
): Cause {
  const { features, oneOf } = requirements;
  if (promised === "no") return "not-promised";
  const amx = features.some((name) => name.startsWith("AMX_"));
  if (amx && site.signalCode === ILL_ILLOPC) return "no-permission";
  if (missingState(site.xcr0, [...features, ...oneOf]).length > 0) return "not-enabled";
  if (holders === undefined) return "needs-feature";
  if (diedOn !== undefined && holders.have.includes(diedOn)) return "not-enabled";
  if (holders.lack.length > 0) return "missing-feature";
  return holders.unknown.length > 0 || holders.of === "class" ? "needs-feature" : "not-enabled";
}

/** An encoding of APX or AVX10.2: REX2, or EVEX with a map or a bit that nothing older uses. */
export function newerExtension(bytes: Uint8Array): string | undefined {
  const [first = 0, second = 0] = bytes;
  if (first === 0xd5) return "APX (its REX2 prefix)";
  if (first !== 0x62) return undefined;
  if ((second & 7) === 4) return "APX (EVEX map 4)";
  return [1, 2, 3, 5, 6].includes(second & 7) ? "AVX10.2, or another one by EVEX" : undefined;
}

function undecodable(bytes: Uint8Array, located: Located | undefined): Cause {
  if (located?.inCode === false || located?.onBoundary === false) return "not-code";
  return newerExtension(bytes) === undefined ? "not-code" : "newer";
}

/** Whether it died of an instruction that needs a feature: then it matters who asked for it. */
export function isFeatureCause(cause: Cause): boolean {
  return CPU_PROBLEMS.has(cause) && cause !== "refused";
}

/** Causes that bytes read from a file rule out: then the file is not the one that ran. */
const NO_END: ReadonlySet<Cause> = new Set(["every-cpu", "cannot-fault"]);

/**
 * Whether the bytes of a file that was given are no plausible end of the crash. The report's own
 * bytes, and those of a file with the build id that the report names, are what they are.
 */
export function isOtherBuild(cause: Cause, { doubts }: Located): boolean {
  return NO_END.has(cause) || (cause === "not-code" && doubts.length > 0);
}

export function causeOf(
  site: CrashSite,
  bytes: Buffer | undefined,
  decoded: Decoded | undefined,
  evidence: Evidence | undefined,
  located: Located | undefined,
  diedOn?: string,
): Cause {
  if (site.arch === "aarch64") return "aarch64";
  if (site.fault === "refused") return "refused";
  if (site.signalCode !== undefined && site.signalCode <= 0) return "sent";
  if (site.fault === "breakpoint") return "breakpoint";
  if (site.fault !== "invalid-opcode") return "other-fault";
  if (decoded === undefined) return "no-bytes";
  if (decoded === "cut-short") return "cut-short";
  if (decoded === "invalid") return undecodable(bytes ?? Buffer.alloc(0), located);
  if (TRAPS.has(decoded.mnemonic)) return "deliberate";
  if (BREAKPOINTS.has(decoded.mnemonic)) return "breakpoint";
  const { requirements } = decoded;
  // Data among the code of a function can lead the decoder astray: a doubt, not a proof.
  const astray = located?.onBoundary === false && isBaseline(requirements);
  if (located?.inCode === false || astray) return "not-code";
  if (requirements.privilege === "vmm") return "hypervisor";
  if (requirements.privilege === "kernel" && site.ring === "user") return "privileged";
  if (requirements.without !== "fault") return "cannot-fault";
  if (isBaseline(requirements) || evidence === undefined) return "every-cpu";
  return featureCause(site, decoded, evidence, diedOn);
}
