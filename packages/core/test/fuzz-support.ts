/**
 * Mutations of every kind of file that is read. All is drawn from a seed, so that a number is enough
 * to have an input again.
 */
import { contractToJson } from "../src/contract/file.ts";
import { predictContract } from "../src/contract/make.ts";
import { REGISTERS } from "../src/cpuid.ts";
import { CoreError } from "../src/errors.ts";
import { profileFields } from "../src/inspect/state.ts";
import { parseJson } from "../src/json/parse.ts";
import { prettyJson } from "../src/json/pretty.ts";
import { planToJson } from "../src/plan/file.ts";
import { planPool } from "../src/plan/pools.ts";
import type { NodeProfile } from "../src/profile/profile.ts";
import type { Document } from "../src/read/document.ts";
import { readCertificate } from "../src/read/matrix.ts";
import { formatProfile } from "../src/profile/file.ts";
import { readText } from "../src/read/text.ts";
import { formatTemplate } from "../src/template/format.ts";
import { EMPTY_TEMPLATE } from "../src/template/template.ts";
import { certify, judgeMatrix } from "../src/verdict/matrix.ts";
import { matrixEntries } from "../src/verdict/entries.ts";
import { armNode, armRegisters } from "./arm-arbitrary.ts";
import { modelCpu, node } from "./arbitrary.ts";
import { aidaAffinity, aidaSections, cpudata, CPUID_TOOL, fixture, OWN } from "./raw-support.ts";

/** Numbers from 0 to below 1, the same for the same seed (mulberry32, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Random = () => number;

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[below(random, items.length)] ?? items[0];
}

const PLAIN =
  `0x 0x0 0xffffffff 0x100000000 -1 1e309 0b 0b2 NaN { } [ ] " ' : , \\ \\u0000 null true {} []
  é \uD800 😀 < > /> <!-- &lt; __proto__ constructor leaf schema evenkeel/node-profile@1`.split(
    /\s+/,
  );

/** What a file may hold by accident or by intent, and what readers look for. */
const TOKENS: readonly string[] = PLAIN.concat(
  ["\n", "\r\n", "\u0000", "\uFEFF", "\t", " ".repeat(300), "9".repeat(400), "x".repeat(64)],
  ["CPU 0:\n", "CPU#000 AffMask: 0x1\n", "processor\t: 0\n", "flags\t: fpu\n"],
  ["CPUID 00000007: 00000000-00000000-00000000-00000000 [SL 01]\n", "<cpudata arch='x86'>"],
  [`0b${"x".repeat(200)}`],
);

function token(random: Random): string {
  return TOKENS[below(random, TOKENS.length)] ?? "";
}

/** Files of more than 16 MiB are refused before they are read; smaller ones say enough. */
const LARGEST = 2 * 1024 * 1024;

/** One change of the text somewhere. */
function mutateText(text: string, random: Random): string {
  const at = below(random, text.length + 1);
  const end = Math.min(text.length, at + 1 + below(random, pick(random, [2, 20, 400])));
  switch (below(random, 8)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(end);
    case 2:
      return text.slice(0, end) + text.slice(at);
    case 3:
      return text.slice(0, at) + token(random) + text.slice(at);
    case 4:
      return text.slice(0, at) + token(random) + text.slice(end);
    case 5: {
      const code = text.charCodeAt(at) ^ (1 << below(random, 8));
      return text.slice(0, at) + String.fromCharCode(code & 0xffff) + text.slice(at + 1);
    }
    case 6: {
      const lines = text.split("\n");
      const line = below(random, lines.length);
      const longest = Math.floor(LARGEST / ((lines[line]?.length ?? 0) + 1));
      const times = Math.min(pick(random, [1, 1, 1, 40, 2000]), longest);
      lines.splice(
        below(random, lines.length),
        0,
        ...Array.from({ length: times }, () => lines[line] ?? ""),
      );
      return lines.join("\n");
    }
    default:
      return text.replaceAll(/[0-9]/g, (digit) =>
        random() < 0.02 ? String(below(random, 10)) : digit,
      );
  }
}

const VALUES: readonly [unknown, ...unknown[]] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  "",
  "0x",
  "0xffffffffffffffff",
  [],
  {},
  [[]],
  "0b1",
  "x".repeat(1000),
];

/** A value replaced, removed, doubled or renamed somewhere in a JSON document. */
function mutateJson(value: unknown, random: Random): unknown {
  if (typeof value !== "object" || value === null || random() < 0.15) return pick(random, VALUES);
  if (Array.isArray(value)) {
    const items = [...(value as readonly unknown[])];
    const i = below(random, items.length);
    if (items.length === 0) return [pick(random, VALUES)];
    if (random() < 0.2) items.splice(i, 1);
    else if (random() < 0.25) items.splice(i, 0, items[below(random, items.length)]);
    else items[i] = mutateJson(items[i], random);
    return items;
  }
  const members = Object.entries(value);
  if (members.length === 0) return { a: pick(random, VALUES) };
  const i = below(random, members.length);
  const [key, member] = members[i] ?? ["", undefined];
  const what = below(random, 10);
  if (what === 0) members.splice(i, 1);
  else if (what === 1) members[i] = [token(random), member];
  else members[i] = [key, mutateJson(member, random)];
  return Object.fromEntries(members);
}

export function mutate(text: string, random: Random): string {
  const times = 1 + below(random, pick(random, [1, 3, 12]));
  let changed = text;
  const json = /^\s*\{/.test(text) && !text.startsWith('{"QMP"') && random() < 0.5;
  if (json) {
    let value = JSON.parse(text) as unknown;
    for (let i = 0; i < times; i++) value = mutateJson(value, random);
    return JSON.stringify(value);
  }
  for (let i = 0; i < times; i++) changed = mutateText(changed, random).slice(0, LARGEST);
  return changed;
}

function nodeOf(id: "ice-lake-sp" | "cascade-lake"): NodeProfile {
  return {
    ...node(id, modelCpu(id)),
    host: { kernel: "6.8" },
    firecracker: ["1.14.1"],
    tsc: { khz: 2e6 },
  };
}

/** A CPU as Firecracker's own dump writes it: a template in which every bit is spelled out. */
function dumpOf({ cpu }: NodeProfile): string {
  const bits = (value: number | bigint, width: number) =>
    `0b${value.toString(2).padStart(width, "0")}`;
  return JSON.stringify({
    cpuid_modifiers: cpu.cpuid.map((entry) => ({
      leaf: `0x${entry.leaf.toString(16)}`,
      subleaf: `0x${entry.subleaf.toString(16)}`,
      flags: entry.flags,
      modifiers: REGISTERS.map((register) => ({ register, bitmap: bits(entry[register], 32) })),
    })),
    msr_modifiers: cpu.msrs.map(({ addr, value }) => ({
      addr: `0x${addr.toString(16)}`,
      bitmap: bits(value, 64),
    })),
  });
}

/** Whole, valid files of every kind, by the reader that takes them. */
export function seeds(): ReadonlyMap<string, string> {
  const [icx, clx] = [nodeOf("ice-lake-sp"), nodeOf("cascade-lake")];
  const result = planPool([icx, clx]);
  if (!result.ok) throw new Error("must plan");
  const { plan } = result;
  const template = formatTemplate(plan.classes[0]?.template ?? EMPTY_TEMPLATE);
  const boot = { firecracker: "1.14.1", vcpus: 2, smt: true };
  const contractOf = (profile: NodeProfile) => {
    const predicted = predictContract(profile, boot);
    if (!predicted.ok) throw new Error("must boot");
    return predicted.contract;
  };
  const entries = matrixEntries([icx, clx], contractOf);
  const certificate = certify(
    [{ file: "icx.json", name: "icx", digest: "0" }],
    {},
    "1.14.1",
    entries,
    judgeMatrix(entries, "1.14.1"),
  );
  const arm = armNode("arm", armRegisters({}));
  const armPlan = planPool([arm]);
  if (!armPlan.ok) throw new Error("must plan");
  return new Map([
    ["profile", formatProfile(icx)],
    ["profile of aarch64", formatProfile(arm)],
    [
      "fingerprint",
      `{"firecracker_version":"1.14.1","kernel_version":"6.1.1","guest_cpu_config":${dumpOf(clx)}}`,
    ],
    ["template dump", dumpOf(icx)],
    ["template", template],
    [
      "VM configuration",
      `{"boot-source":{},"machine-config":{"vcpu_count":1},"cpu-config":${template}}`,
    ],
    ["plan", prettyJson(planToJson(plan))],
    ["plan of aarch64", prettyJson(planToJson(armPlan.plan))],
    ["contract", prettyJson(contractToJson(contractOf(icx)))],
    ["certificate", prettyJson(certificate)],
    ["cpuid -r", CPUID_TOOL],
    [
      "AIDA64",
      aidaSections([OWN, OWN], ["MSR 0000008B: 0000-0000-0A00-1119", "MSR C0010070: < FAILED >"]),
    ],
    ["InstLatX64", aidaAffinity([OWN, OWN])],
    ["libvirt", cpudata(OWN, "  <msr index='0x10a' edx='0x0' eax='0x6c28fdeb'/>\n")],
    [
      "libvirt's model",
      "<cpu mode='custom'>\n  <model fallback='forbid'>EPYC-Rome</model>\n  <vendor>AMD</vendor>\n" +
        "  <signature family='23' model='49' stepping='0'/>\n  <maxphysaddr bits='48'/>\n" +
        "  <feature policy='require' name='fpu'/>\n  <feature policy='require' name='avx2'/>\n</cpu>\n",
    ],
    ["/proc/cpuinfo", fixture("cpuinfo.txt")],
    ["QEMU", fixture("qemu-max.txt")],
  ]);
}

/** Errors about a file as a whole, which have no place within it. */
const WHOLE_FILE: ReadonlySet<string> = new Set(["UNKNOWN_FORMAT"]);

function isLocated({ code, problems }: CoreError): boolean {
  const place = (path: string) => path !== "" || WHOLE_FILE.has(code);
  return (
    problems.length > 0 && problems.every(({ path, message }) => place(path) && message !== "")
  );
}

function read(reader: string, text: string): Document | undefined {
  if (reader !== "certificate") return readText(text, { name: "fuzz" });
  readCertificate(parseJson(text));
  return undefined;
}

/** What was read is used as well: shown, and planned with. */
function use({ profile }: Extract<Document, { kind: "profile" }>): void {
  profileFields(profile.cpu);
  planPool([profile]);
}

export type FuzzResult = "document" | "error";

/**
 * Reads one input; throws where it is neither a document nor a located error. With `deeply`, a
 * profile is shown and planned, too.
 */
export function readOne(reader: string, text: string, deeply = false): FuzzResult {
  let document: Document | undefined;
  try {
    document = read(reader, text);
  } catch (error) {
    if (error instanceof CoreError && isLocated(error)) return "error";
    throw error;
  }
  try {
    if (deeply && document?.kind === "profile") use(document);
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
  }
  return "document";
}
