/** Instructions on vector registers. */
import { Code, Register as R } from "iced-x86";
import { at, imm, mem, reg, set, type Item } from "./assembler.ts";
import { A, B } from "./inputs.ts";
import {
  aesRounds,
  carryless,
  dotBytes,
  field8,
  lanes,
  leadingZeros,
  low52,
  ones,
  shaMessage1,
} from "./models.ts";
import { xmm, ymm, zmm, type CanaryRow } from "./row.ts";

const [X0, X1, X2] = [R.XMM0, R.XMM1, R.XMM2];
const [Y0, Y1, Y2] = [R.YMM0, R.YMM1, R.YMM2];
const [Z0, Z1, Z2] = [R.ZMM0, R.ZMM1, R.ZMM2];

const add = (a: bigint, b: bigint) => a + b;
const first = (width: number, bytes: Buffer = A) => bytes.subarray(0, width);
/** Moves a two-operand instruction's result from register 1 to register 0. */
const movedFrom1 = reg(Code.Movdqa_xmm_xmmm128, X0, X1);

/** Bytes of A chosen by the low four bits of B's, or zero where its highest bit is set. */
function shuffled(): Buffer {
  const result = Buffer.alloc(16);
  for (let i = 0; i < 16; i++) {
    const index = B[i] ?? 0;
    result[i] = index & 0x80 ? 0 : (A[index & 15] ?? 0);
  }
  return result;
}

/** Dwords of A chosen within each 128-bit half by the low two bits of B's dwords. */
function permuted(width: number): Buffer {
  const result = Buffer.alloc(width);
  for (let i = 0; i < width; i += 4) {
    const from = (i & ~15) + 4 * ((B[i] ?? 0) & 3);
    A.copy(result, i, from, from + 4);
  }
  return result;
}

/** Bytes of B chosen by the low six bits of A's. */
function permutedBytes(): Buffer {
  return Buffer.from(A.map((index) => B[index & 63] ?? 0));
}

/** Low qword of B times high qword of A, in each 128 bits: the immediate 0x01 chooses so. */
function clmul(width: number): Buffer {
  const result = Buffer.alloc(width);
  for (let i = 0; i < width; i += 16) {
    const product = carryless(A.readBigUInt64LE(i + 8), B.readBigUInt64LE(i));
    result.writeBigUInt64LE(BigInt.asUintN(64, product), i);
    result.writeBigUInt64LE(product >> 64n, i + 8);
  }
  return result;
}

/** A's dwords as floats, times B's, added to zero: rounded once. */
function products(): Buffer {
  const result = Buffer.alloc(32);
  for (let i = 0; i < 32; i += 4) {
    const [a, b] = [Math.fround(A.readInt32LE(i)), Math.fround(B.readInt32LE(i))];
    result.writeFloatLE(a * b, i);
  }
  return result;
}

/** Half-precision numbers that are finite, and the same in single precision. */
function singles(): Buffer {
  const result = Buffer.alloc(32);
  for (let i = 0; i < 8; i++) {
    const half = A.readUInt16LE(2 * i) & ~0x4000;
    const [sign, exponent, fraction] = [half >> 15, (half >> 10) & 15, half & 0x3ff];
    const scale = exponent === 0 ? 2 ** -24 : 2 ** (exponent - 25);
    const magnitude = (exponent === 0 ? fraction : fraction + 0x400) * scale;
    result.writeFloatLE(sign === 1 ? -magnitude : magnitude, 4 * i);
  }
  return result;
}

/** What saving register 0 needs: a value there, and the state components in EDX:EAX. */
const SSE_STATE = {
  prepare: [reg(Code.Movdqa_xmm_xmmm128, X0, X1), set(R.RAX, 2), set(R.RDX, 0)],
};

/** Saves register 0 with some instruction, clears it, and restores it. */
function savedAndRestored(code: Code, area: number): Item[] {
  return [mem(code, at(area)), reg(Code.Pxor_xmm_xmmm128, X0, X0), mem(Code.Xrstor_mem, at(area))];
}

/** `area`: 4096 bytes, aligned to 64, zero at first. */
export function vectorRows(area: number): readonly CanaryRow[] {
  return [
    xmm(
      "SSE3",
      "movddup",
      [reg(Code.Movddup_xmm_xmmm64, X0, X1)],
      Buffer.concat([first(8), first(8)]),
    ),
    xmm("SSSE3", "pshufb", [reg(Code.Pshufb_xmm_xmmm128, X1, X2), movedFrom1], shuffled()),
    xmm(
      "SSE4_1",
      "pmulld",
      [reg(Code.Pmulld_xmm_xmmm128, X1, X2), movedFrom1],
      lanes(32, 16, (a, b) => a * b),
    ),
    xmm("AESNI", "aesenc", [reg(Code.Aesenc_xmm_xmmm128, X1, X2), movedFrom1], aesRounds(16)),
    xmm(
      "PCLMULQDQ",
      "pclmulqdq",
      [imm(Code.Pclmulqdq_xmm_xmmm128_imm8, [X1, X2], 1), movedFrom1],
      clmul(16),
    ),
    xmm("SHA", "sha256msg1", [reg(Code.Sha256msg1_xmm_xmmm128, X1, X2), movedFrom1], shaMessage1()),
    xmm(
      "GFNI",
      "gf2p8mulb",
      [reg(Code.Gf2p8mulb_xmm_xmmm128, X1, X2), movedFrom1],
      lanes(8, 16, field8),
    ),
    xmm("XSAVE", "xsave", savedAndRestored(Code.Xsave_mem, area), first(16), SSE_STATE),
    xmm("XSAVEOPT", "xsaveopt", savedAndRestored(Code.Xsaveopt_mem, area), first(16), SSE_STATE),
    xmm("XSAVEC", "xsavec", savedAndRestored(Code.Xsavec_mem, area), first(16), SSE_STATE),
    ymm("AVX", "vpermilps", [reg(Code.VEX_Vpermilps_ymm_ymm_ymmm256, Y0, Y1, Y2)], permuted(32)),
    ymm("AVX2", "vpaddd", [reg(Code.VEX_Vpaddd_ymm_ymm_ymmm256, Y0, Y1, Y2)], lanes(32, 32, add)),
    ymm("FMA", "vfmadd231ps", [reg(Code.VEX_Vfmadd231ps_ymm_ymm_ymmm256, Y0, Y1, Y2)], products(), {
      prepare: [
        reg(Code.VEX_Vcvtdq2ps_ymm_ymmm256, Y1, Y1),
        reg(Code.VEX_Vcvtdq2ps_ymm_ymmm256, Y2, Y2),
      ],
    }),
    ymm("F16C", "vcvtph2ps", [reg(Code.VEX_Vcvtph2ps_ymm_xmmm128, Y0, X1)], singles(), {
      // Clears bit 14 of each half, so that none is infinite or no number.
      prepare: [
        reg(Code.VEX_Vpcmpeqd_xmm_xmm_xmmm128, X2, X2, X2),
        imm(Code.VEX_Vpsrlw_xmm_xmm_imm8, [X2, X2], 15),
        imm(Code.VEX_Vpsllw_xmm_xmm_imm8, [X2, X2], 14),
        reg(Code.VEX_Vpandn_xmm_xmm_xmmm128, X1, X2, X1),
      ],
    }),
    ymm("VAES", "vaesenc", [reg(Code.VEX_Vaesenc_ymm_ymm_ymmm256, Y0, Y1, Y2)], aesRounds(32)),
    ymm(
      "VPCLMULQDQ",
      "vpclmulqdq",
      [imm(Code.VEX_Vpclmulqdq_ymm_ymm_ymmm256_imm8, [Y0, Y1, Y2], 1)],
      clmul(32),
    ),
    ymm(
      "AVX_VNNI",
      "vpdpbusd",
      [reg(Code.VEX_Vpdpbusd_ymm_ymm_ymmm256, Y0, Y1, Y2)],
      lanes(32, 32, dotBytes),
    ),
    ...wideRows(),
  ];
}

function wideRows(): readonly CanaryRow[] {
  return [
    zmm(
      "AVX512F",
      "vpaddd",
      [reg(Code.EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, Z0, Z1, Z2)],
      lanes(32, 64, add),
    ),
    zmm(
      "AVX512DQ",
      "vpmullq",
      [reg(Code.EVEX_Vpmullq_zmm_k1z_zmm_zmmm512b64, Z0, Z1, Z2)],
      lanes(64, 64, (a, b) => a * b),
    ),
    zmm(
      "AVX512CD",
      "vplzcntd",
      [reg(Code.EVEX_Vplzcntd_zmm_k1z_zmmm512b32, Z0, Z1)],
      lanes(32, 64, (a) => leadingZeros(a, 32)),
    ),
    zmm(
      "AVX512BW",
      "vpaddb",
      [reg(Code.EVEX_Vpaddb_zmm_k1z_zmm_zmmm512, Z0, Z1, Z2)],
      lanes(8, 64, add),
    ),
    ymm(
      "AVX512VL",
      "vpaddd",
      [reg(Code.EVEX_Vpaddd_ymm_k1z_ymm_ymmm256b32, Y0, Y1, Y2)],
      lanes(32, 32, add),
    ),
    zmm(
      "AVX512_IFMA",
      "vpmadd52luq",
      [reg(Code.EVEX_Vpmadd52luq_zmm_k1z_zmm_zmmm512b64, Z0, Z1, Z2)],
      lanes(64, 64, low52),
    ),
    zmm(
      "AVX512_VBMI",
      "vpermb",
      [reg(Code.EVEX_Vpermb_zmm_k1z_zmm_zmmm512, Z0, Z1, Z2)],
      permutedBytes(),
    ),
    zmm(
      "AVX512_VBMI2",
      "vpshldd",
      [imm(Code.EVEX_Vpshldd_zmm_k1z_zmm_zmmm512b32_imm8, [Z0, Z1, Z2], 7)],
      lanes(32, 64, (a, b) => (a << 7n) | (b >> 25n)),
    ),
    zmm(
      "AVX512_VNNI",
      "vpdpbusd",
      [reg(Code.EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32, Z0, Z1, Z2)],
      lanes(32, 64, dotBytes),
    ),
    zmm(
      "AVX512_BITALG",
      "vpopcntb",
      [reg(Code.EVEX_Vpopcntb_zmm_k1z_zmmm512, Z0, Z1)],
      lanes(8, 64, ones),
    ),
    zmm(
      "AVX512_VPOPCNTDQ",
      "vpopcntd",
      [reg(Code.EVEX_Vpopcntd_zmm_k1z_zmmm512b32, Z0, Z1)],
      lanes(32, 64, ones),
    ),
    zmm(
      "AVX512_BF16",
      "vcvtneps2bf16",
      [reg(Code.EVEX_Vcvtneps2bf16_ymm_k1z_zmmm512b32, Y0, Z2)],
      Buffer.concat([highHalves(), Buffer.alloc(32)]),
      {
        // Clears the low halves, so that there is nothing to round.
        prepare: [
          imm(Code.EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8, [Z2, Z2], 17),
          imm(Code.EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8, [Z2, Z2], 16),
        ],
      },
    ),
  ];
}

/** Halves of B's dwords shifted right by one: positive numbers in bfloat16. */
function highHalves(): Buffer {
  const result = Buffer.alloc(32);
  for (let i = 0; i < 16; i++) result.writeUInt16LE(B.readUInt32LE(4 * i) >>> 17, 2 * i);
  return result;
}
