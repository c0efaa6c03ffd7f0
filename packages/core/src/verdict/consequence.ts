/** What would happen, in plain words. */
import type { CpuidField, MsrField } from "../tables/field.ts";
import { STATE_GROUP } from "../tables/groups.ts";
import type { RuleId } from "./rules.ts";

/** A well-known instruction of each feature. */
const EXAMPLES: ReadonlyMap<string, string> = new Map(
  `
    ADX: ADCX, AESNI: AESENC, AMX_TILE: LDTILECFG, AVX: VADDPS ymm, AVX2: VPADDD ymm,
    AVX512BW: VPADDB zmm, AVX512CD: VPCONFLICTD, AVX512DQ: VPMULLQ, AVX512F: VPADDD zmm,
    AVX512VL: EVEX-encoded VPADDD ymm, AVX512_BF16: VDPBF16PS, AVX512_BITALG: VPOPCNTB,
    AVX512_FP16: VADDPH, AVX512_IFMA: VPMADD52LUQ, AVX512_VBMI: VPERMI2B,
    AVX512_VBMI2: VPCOMPRESSB, AVX512_VNNI: VPDPBUSD, AVX512_VPOPCNTDQ: VPOPCNTD,
    AVX_VNNI: VPDPBUSD ymm, BMI2: PDEP, F16C: VCVTPH2PS, FMA: VFMADD231PS, GFNI: GF2P8AFFINEQB,
    MOVBE: MOVBE, PCLMULQDQ: PCLMULQDQ, POPCNT: POPCNT, RDPID: RDPID, RDRAND: RDRAND,
    RDSEED: RDSEED, SERIALIZE: SERIALIZE, SHA: SHA256RNDS2, SSE4_1: PMULLD, SSE4_2: CRC32,
    VAES: VAESENC ymm, VPCLMULQDQ: VPCLMULQDQ ymm, XSAVEC: XSAVEC`
    .split(",")
    .map((pair) => pair.trim().split(": ") as [feature: string, example: string]),
);

const SILENT: Readonly<Record<string, string>> = {
  LZCNT: "LZCNT decodes as BSR on this node: programs compute wrong results without a fault.",
  BMI1:
    "TZCNT decodes as BSF on this node, and ANDN or BLSR fault: programs compute wrong results or " +
    "die of SIGILL.",
};

/** `lost`: promised but missing; `untold`: reported by the node but not shown to the guest. */
export type Direction = "lost" | "untold";

export function ruleOf(field: CpuidField | MsrField, direction: Direction = "lost"): RuleId {
  const { kind, group } = field;
  if (direction === "untold") return "weakness";
  if (kind === "remedy") return "remedy";
  if (kind === "minimum") return group === "paging" ? "address-width" : "number";
  if (kind === "derived") return group === STATE_GROUP ? "xsave-layout" : "number";
  return featureRule(field);
}

function featureRule({ loss, group }: CpuidField | MsrField): RuleId {
  if (loss === "silent") return "silent-change";
  if (loss === "insecure") return "immunity";
  if (loss === "slower" || loss === "none") return "hint";
  if (group === STATE_GROUP) return "xsave-state";
  return group === "paravirtualization" ? "paravirtual" : "feature";
}

type Text = (field: CpuidField | MsrField) => string;

const CONSEQUENCES: Partial<Record<RuleId, Text>> = {
  "silent-change": ({ name }) =>
    SILENT[name] ?? `${name} silently gives different results on this node.`,
  immunity: ({ name, title, group }) =>
    group === "speculation control"
      ? `The guest may rely on ${name} (${title}), a mitigation that this node lacks.`
      : `The guest believes "${title}", so it leaves off a mitigation that this node needs.`,
  weakness: ({ title, loss }) =>
    loss === "none"
      ? `The guest does not see "${title}"; no mitigation depends on it.`
      : `The guest does not see "${title}", so it leaves a mitigation off.`,
  remedy: ({ title, name }) =>
    `The guest relies on "${title}" (${name}), but this node's microcode does not do that.`,
  hint: ({ name, title, loss }) =>
    loss === "none"
      ? `${name} (${title}): no guest can use it, neither here nor where the snapshot was taken.`
      : `${name} (${title}): slower than the guest expects, but harmless.`,
  paravirtual: ({ title }) => `The guest uses KVM's "${title}", which this host does not offer.`,
  "xsave-state": ({ title }) =>
    `KVM refuses the guest's XSAVE state, because this node lacks ${title}.`,
};

/** Features whose instructions do not fault where they are missing. */
const NO_FAULT: Readonly<Record<string, string>> = {
  // NOPs: SDM volume 1, "Intel MPX".
  MPX: "MPX instructions do nothing on this node: a program that found MPX at startup keeps running with its bounds unchecked.",
};

function fault({ name, title, readBy }: CpuidField | MsrField): string {
  if (readBy !== "user") return `The guest's kernel uses ${name} (${title}) and would fault.`;
  return (
    NO_FAULT[name] ??
    `A program that found ${name} at startup, such as Node.js or anything using glibc or a BLAS, ` +
      `may execute ${EXAMPLES.get(name) ?? `${name} instructions`} and die of SIGILL.`
  );
}

/** What a lost feature, a false immunity or a hidden vulnerability does to a resumed guest. */
export function consequenceOf(field: CpuidField | MsrField, direction: Direction): string {
  return (CONSEQUENCES[ruleOf(field, direction)] ?? fault)(field);
}

export function numberConsequence(field: CpuidField | MsrField): string {
  const { title } = field;
  const rule = ruleOf(field);
  if (field.loss === "none")
    return `${title}: no guest can use it, neither here nor where the snapshot was taken.`;
  if (rule === "address-width") {
    return `The guest may use ${title} that this CPU lacks, and get page faults on reserved bits.`;
  }
  if (rule === "xsave-layout") {
    return `The guest's programs and its saved XSAVE image use a different layout (${title}).`;
  }
  return `The guest was promised more than the node has (${title}).`;
}
