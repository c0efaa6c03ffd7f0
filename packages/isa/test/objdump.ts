/**
 * A second opinion: which features instructions need according to GNU objdump, by its mnemonics
 * and the first byte of the encoding. Written apart from the code under test, and coarse on
 * purpose: AVX and AVX2 are one group, and so are all parts of AVX-512.
 */
import { run } from "./tools.ts";

export interface Disassembled {
  readonly address: number;
  readonly group: string;
}

const EXACT: Readonly<Record<string, string>> = {
  popcnt: "POPCNT",
  lzcnt: "LZCNT",
  movbe: "MOVBE",
  rdrand: "RDRAND",
  rdseed: "RDSEED",
  adcx: "ADX",
  adox: "ADX",
  andn: "BMI1",
  bextr: "BMI1",
  blsi: "BMI1",
  blsmsk: "BMI1",
  blsr: "BMI1",
  bzhi: "BMI2",
  mulx: "BMI2",
  pdep: "BMI2",
  pext: "BMI2",
  rorx: "BMI2",
  sarx: "BMI2",
  shlx: "BMI2",
  shrx: "BMI2",
  crc32b: "SSE4_2",
  crc32w: "SSE4_2",
  crc32l: "SSE4_2",
  crc32q: "SSE4_2",
  pcmpestri: "SSE4_2",
  pcmpestrm: "SSE4_2",
  pcmpistri: "SSE4_2",
  pcmpistrm: "SSE4_2",
  pcmpgtq: "SSE4_2",
  lddqu: "SSE3",
  movddup: "SSE3",
  movshdup: "SSE3",
  movsldup: "SSE3",
};

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/^(?:addsubp[sd]|h(?:add|sub)p[sd])$/, "SSE3"],
  [/^(?:pshufb|ph(?:add|sub)s?[wd]|ph(?:add|sub)sw|pabs[bwd]|palignr)$/, "SSSE3"],
  [/^(?:psign[bwd]|pmulhrsw|pmaddubsw)$/, "SSSE3"],
  [/^(?:pblend(?:w|vb)|blendv?p[sd]|pm(?:in|ax)(?:sb|sd|uw|ud)|round[ps][sd]|ptest)$/, "SSE4_1"],
  [/^(?:pmov[sz]x[a-z]+|pextr[bdq]|pinsr[bdq]|extractps|insertps|pmul(?:dq|ld))$/, "SSE4_1"],
  [/^(?:mpsadbw|packusdw|phminposuw|dpp[sd]|movntdqa|pcmpeqq)$/, "SSE4_1"],
  [/^(?:aes(?:enc|dec)(?:last)?|aesimc|aeskeygenassist)$/, "AESNI"],
  [/^pclmul/, "PCLMULQDQ"],
  [/^sha(?:1|256)/, "SHA"],
];

const PREFIXES = new Set(["2e", "36", "3e", "26", "64", "65", "66", "67", "f0", "f2", "f3"]);

/** The groups of an instruction that is not one of every x86-64 CPU's. */
function groupOf(mnemonic: string, bytes: readonly string[]): string | undefined {
  const exact =
    EXACT[
      mnemonic.replace(
        /(?<=^(?:popcnt|lzcnt|movbe|mulx|bzhi|rorx|s[ah][lr]x|andn|adcx|adox))[wlq]$/,
        "",
      )
    ];
  if (exact !== undefined) return exact;
  const first = bytes.find((byte) => !PREFIXES.has(byte));
  // 62 begins EVEX and, in 64-bit code, nothing else; mask registers are AVX-512's too.
  if (first === "62" || /^k[a-z]+[bwdq]$/.test(mnemonic)) return "AVX512";
  if (first === "8f" && !mnemonic.startsWith("pop")) return "XOP";
  if (first === "c4" || first === "c5") {
    if (/^vfn?m(?:add|sub).*[sp][sd]$/.test(mnemonic)) {
      return /\d{3}[sp][sd]$/.test(mnemonic) ? "FMA" : "FMA4";
    }
    if (/^vcvtp[hs]2p[hs]/.test(mnemonic)) return "F16C";
    return mnemonic.startsWith("v") ? "AVX" : undefined;
  }
  return PATTERNS.find(([pattern]) => pattern.test(mnemonic))?.[1];
}

/** `  401136:	c5 f9 ef c0          	vpxor  %xmm0,%xmm0,%xmm0` */
const LINE =
  /^ +([\da-f]+):\t((?:[\da-f]{2} )+) *\t(?:(?:lock|rep[nz]*|notrack|bnd|data16|cs|ds|addr32) )*(\{[a-z]+\} )?([a-z\d]+)/gm;

/** Instructions that need features, in the order of their addresses. */
export function objdump(file: string): Disassembled[] {
  const found: Disassembled[] = [];
  const text = run("objdump", ["-d", "-w", "--insn-width=16", file]);
  for (const [, address = "", bytes = "", , mnemonic = ""] of text.matchAll(LINE)) {
    const group = groupOf(mnemonic, bytes.trim().split(" "));
    if (group !== undefined) found.push({ address: Number.parseInt(address, 16), group });
  }
  return found;
}
