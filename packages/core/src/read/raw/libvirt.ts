/**
 * libvirt's `<cpudata arch='x86'>`: `<cpuid eax_in ecx_in eax ebx ecx edx/>` and
 * `<msr index edx eax/>`.
 * Source: `virCPUx86DataFormat` in libvirt src/cpu/cpu_x86.c.
 */
import { eachRegister, REGISTERS } from "../../cpuid.ts";
import { badDump, type RawDump } from "../../kvm/dump.ts";
import { DumpBuilder, rawDump } from "./dump.ts";
import { xmlTags, type XmlTag } from "./xml.ts";

export function isXml(text: string): boolean {
  return text.trimStart().startsWith("<");
}

function number32({ name, attributes, line }: XmlTag, key: string, fallback?: number): number {
  const text = attributes.get(key);
  if (text === undefined && fallback !== undefined) return fallback;
  if (text === undefined) return badDump(line, `<${name}> lacks ${key}`);
  if (/^0x[0-9a-fA-F]{1,8}$/.test(text)) return Number(text);
  return badDump(line, `${key} must be a number such as 0x1f, but is ${JSON.stringify(text)}`);
}

function checkAttributes({ name, attributes, line }: XmlTag, known: readonly string[]): void {
  for (const key of attributes.keys()) {
    if (!known.includes(key)) badDump(line, `<${name}> has an unknown attribute ${key}`);
  }
}

function readCpuid(tag: XmlTag, builder: DumpBuilder): void {
  checkAttributes(tag, ["eax_in", "ecx_in", ...REGISTERS]);
  const words = eachRegister((register) => number32(tag, register));
  const place = { leaf: number32(tag, "eax_in"), subleaf: number32(tag, "ecx_in", 0) };
  builder.entry({ ...place, ...words }, tag.line);
}

function readMsr(tag: XmlTag, builder: DumpBuilder): void {
  checkAttributes(tag, ["index", "edx", "eax"]);
  const [high, low] = [number32(tag, "edx"), number32(tag, "eax")];
  builder.msr(number32(tag, "index"), (BigInt(high) << 32n) | BigInt(low), tag.line);
}

function expectRoot(tag: XmlTag | undefined): XmlTag {
  if (tag?.kind !== "open" || tag.name !== "cpudata") {
    return badDump(tag?.line ?? 1, "the first element must be <cpudata arch='x86'>");
  }
  checkAttributes(tag, ["arch"]);
  const arch = tag.attributes.get("arch");
  if (arch === "x86") return tag;
  return badDump(tag.line, `arch must be x86, but is ${JSON.stringify(arch ?? "missing")}`);
}

export function readLibvirt(text: string): RawDump {
  const builder = new DumpBuilder();
  let root: XmlTag | undefined;
  let closed = false;
  for (const tag of xmlTags(text)) {
    if (closed) badDump(tag.line, `unexpected <${tag.name}> after </cpudata>`);
    if (root === undefined) {
      root = expectRoot(tag);
      builder.begin("CPU 0", tag.line);
    } else if (tag.kind === "close" && tag.name === "cpudata") closed = true;
    else if (tag.kind !== "empty")
      badDump(tag.line, `<${tag.name}> must be empty: <${tag.name} …/>`);
    else if (tag.name === "cpuid") readCpuid(tag, builder);
    else if (tag.name === "msr") readMsr(tag, builder);
    else badDump(tag.line, `unknown element <${tag.name}>; known here: cpuid, msr`);
  }
  if (root === undefined) expectRoot(root);
  if (!closed) badDump(text.split("\n").length, "the text ends before </cpudata>");
  return rawDump("libvirt cpudata", builder.cpus());
}
