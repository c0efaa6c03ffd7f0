/**
 * `cpuid -r` and `cpuid -1 -r`: one line per leaf, one section per logical CPU.
 * Source: Todd Allen's cpuid (http://www.etallen.com/cpuid.html).
 */
import { badDump, type RawDump } from "../../kvm/dump.ts";
import { DumpBuilder, hex, numberedLines, rawDump } from "./dump.ts";

const HEAD = /^CPU(?: (\d{1,6}))?:\s*$/;
const LEAF =
  /^\s*0x([0-9a-f]{8}) 0x([0-9a-f]{2,8}): eax=0x([0-9a-f]{8}) ebx=0x([0-9a-f]{8}) ecx=0x([0-9a-f]{8}) edx=0x([0-9a-f]{8})\s*$/;

export function isCpuidTool(text: string): boolean {
  return /^[ \t]*0x[0-9a-f]{8} 0x[0-9a-f]{2,8}: eax=/m.test(text);
}

export function readCpuidTool(text: string): RawDump {
  const builder = new DumpBuilder();
  for (const [line, number] of numberedLines(text)) {
    if (line.trim() === "") continue;
    const head = HEAD.exec(line);
    if (head !== null) {
      builder.begin(`CPU ${head[1] ?? "0"}`, number);
      continue;
    }
    const leaf = LEAF.exec(line);
    if (leaf === null) {
      return badDump(number, "is neither `CPU N:` nor a leaf as `cpuid -r` prints it");
    }
    const [, where, subleaf, eax, ebx, ecx, edx] = leaf;
    const registers = { eax: hex(eax), ebx: hex(ebx), ecx: hex(ecx), edx: hex(edx) };
    builder.entry({ leaf: hex(where), subleaf: hex(subleaf), ...registers }, number);
  }
  return rawDump("cpuid -r", builder.cpus());
}
