/**
 * AIDA64's and InstLatX64's text dumps: `CPUID 00000007: EAX-EBX-ECX-EDX [SL 00]`, the CPUs under
 * `------[ CPUID Registers / Logical CPU #0 ]------` or `CPU#000 AffMask: …`, MSRs under heads of
 * the same kind. Everything else in such a text is prose.
 * Source: https://github.com/InstLatx64/InstLatx64.
 */
import { hexNumber } from "../../format/address.ts";
import type { HostFacts } from "../../profile/profile.ts";
import { badDump, type RawCpu, type RawDump } from "../../kvm/dump.ts";
import { DumpBuilder, hex, numberedLines, rawDump } from "./dump.ts";

const HEAD =
  /^(?:-+\[ (?:CPUID|MSR) Registers \/ Logical CPU #(\d{1,6}) \]-+|CPU#(\d{1,6})\b.*)\s*$/;
const LEAF =
  /^CPUID ([0-9A-Fa-f]{8}): ([0-9A-Fa-f]{8})-([0-9A-Fa-f]{8})-([0-9A-Fa-f]{8})-([0-9A-Fa-f]{8})(?:\s+\[SL ([0-9A-Fa-f]{2,8})\])?(?:\s.*)?$/;
const MSR =
  /^MSR ([0-9A-Fa-f]{8}): (?:([0-9A-Fa-f]{4})-([0-9A-Fa-f]{4})-([0-9A-Fa-f]{4})-([0-9A-Fa-f]{4})(?:\s.*)?|< FAILED >\s*)$/;
/** What is meant as a leaf or an MSR, but may be damaged; `CPUID Manufacturer: …` is prose. */
const MEANT = /^(?:CPUID|MSR)\s{1,4}\S{0,20}\d\S{0,20}:/;

export function isAida(text: string): boolean {
  return /^CPUID [0-9A-Fa-f]{8}: [0-9A-Fa-f]{8}-/m.test(text);
}

function readLeaf(line: string, number: number, builder: DumpBuilder): boolean {
  const found = LEAF.exec(line);
  if (found === null) return false;
  const [, leaf, eax, ebx, ecx, edx, subleaf = "00"] = found;
  const registers = { eax: hex(eax), ebx: hex(ebx), ecx: hex(ecx), edx: hex(edx) };
  builder.entry({ leaf: hex(leaf), subleaf: hex(subleaf), ...registers }, number);
  return true;
}

function readMsr(line: string, number: number, builder: DumpBuilder): boolean {
  const found = MSR.exec(line);
  if (found === null) return false;
  const [, addr, ...words] = found;
  if (words[0] !== undefined) builder.msr(hex(addr), BigInt(`0x${words.join("")}`), number);
  return true;
}

const MICROCODE = 0x8b;

/** Intel keeps the revision in the high half of the MSR, AMD in the low half. */
function microcode({ msrs }: RawCpu): HostFacts {
  const value = msrs.get(MICROCODE);
  if (value === undefined) return {};
  const high = value >> 32n;
  return { microcode: hexNumber(high === 0n ? value : high) };
}

export function readAida(text: string): RawDump {
  const builder = new DumpBuilder();
  for (const [line, number] of numberedLines(text)) {
    const head = HEAD.exec(line);
    if (head !== null) builder.begin(`CPU ${Number(head[1] ?? head[2])}`, number);
    else if (MEANT.test(line)) {
      if (readLeaf(line, number, builder) || readMsr(line, number, builder)) continue;
      badDump(number, "is damaged: not a leaf or an MSR as AIDA64 prints it");
    }
  }
  const cpus = builder.cpus();
  return rawDump("AIDA64/InstLatX64 text", cpus, microcode(cpus[0]));
}
