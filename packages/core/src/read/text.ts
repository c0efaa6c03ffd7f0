/** A file's text to a document, whatever its format: recognised by content. */
import { fail } from "../errors.ts";
import { parseJson } from "../json/parse.ts";
import { estimateProfile } from "../kvm/estimate.ts";
import { DEFAULT_KERNEL, kernelRelease } from "../tables/kernels.ts";
import { readDocument, type Document } from "./document.ts";
import { isAida, readAida } from "./raw/aida.ts";
import { isCpuidTool, readCpuidTool } from "./raw/cpuid-tool.ts";
import { isCpuinfo, readCpuinfo } from "./raw/cpuinfo.ts";
import type { RawDump } from "../kvm/dump.ts";
import { isXml, readLibvirt } from "./raw/libvirt.ts";
import { isLibvirtModel, readLibvirtModel } from "./raw/libvirt-model.ts";
import { isQmpLines } from "./raw/qemu.ts";

export interface ReadOptions {
  readonly name: string;
  /** The host kernel that a raw dump is an estimate for, e.g. `6.1`; dumps do not say. */
  readonly kernel?: string | undefined;
}

type Reader = (text: string) => RawDump;

const READERS: readonly (readonly [is: (text: string) => boolean, read: Reader])[] = [
  [isLibvirtModel, readLibvirtModel],
  [isXml, readLibvirt],
  [isCpuidTool, readCpuidTool],
  [isAida, readAida],
  [isCpuinfo, readCpuinfo],
];

/** Whether a text is JSON if it is anything: the first character decides. */
export function isJsonText(text: string): boolean {
  return /^\s*(?:[[{"]|$)/.test(text);
}

/** QEMU's last answer that has something to say; the greeting and `{"return": {}}` have not. */
function lastAnswer(text: string): string {
  const lines = text.split("\n");
  return lines.findLast((line) => line.startsWith('{"return"') && line.includes("model")) ?? text;
}

/** Reads a file's text; throws a located error for what is no document of a known format. */
export function readText(text: string, options: Partial<ReadOptions> = {}): Document {
  const { name = "", kernel = DEFAULT_KERNEL } = options;
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const release = kernelRelease(kernel);
  if (isJsonText(body)) {
    return readDocument(parseJson(isQmpLines(body) ? lastAnswer(body) : body), name, release);
  }
  const reader = READERS.find(([is]) => is(body))?.[1];
  if (reader !== undefined) {
    return { kind: "profile", profile: estimateProfile(reader(body), name, release) };
  }
  return fail("UNKNOWN_FORMAT", "neither JSON nor a known CPU dump format", "line 1");
}
