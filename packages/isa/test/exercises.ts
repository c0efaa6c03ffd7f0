/** A C function per feature, compiled only where the compiler may use it. */

interface Exercise {
  /** Defined by GCC where the feature may be used. */
  readonly macro: string;
  /** With this one the same intrinsic becomes another feature's instruction. */
  readonly unless?: string;
  readonly body: string;
  /** Rows of the CPUID tables that the instruction needs. */
  readonly rows: readonly string[];
}

function exercise(macro: string, body: string, rows: string, unless?: string): Exercise {
  return { macro, body, rows: rows.split(" "), ...(unless === undefined ? {} : { unless }) };
}

export const EXERCISES: readonly Exercise[] = [
  exercise("__SSE3__", "x.ps = _mm_hadd_ps(x.ps, x.ps);", "SSE3", "__AVX__"),
  exercise("__SSSE3__", "x.i = _mm_shuffle_epi8(x.i, x.i);", "SSSE3", "__AVX__"),
  exercise("__SSE4_1__", "x.i = _mm_min_epi32(x.i, x.i);", "SSE4_1", "__AVX__"),
  exercise("__SSE4_2__", "n = _mm_crc32_u32(n, n);", "SSE4_2"),
  exercise("__SSE4A__", "x.i = _mm_extract_si64(x.i, x.i);", "SSE4A"),
  exercise("__POPCNT__", "n = __builtin_popcount(n);", "POPCNT"),
  exercise("__LZCNT__", "n = _lzcnt_u32(n);", "LZCNT"),
  exercise("__MOVBE__", '__asm__ volatile("movbe %1, %0" : "=r"(n) : "m"(n));', "MOVBE"),
  exercise("__BMI__", "n = _blsr_u32(n);", "BMI1"),
  exercise("__BMI2__", "n = _pext_u32(n, n);", "BMI2"),
  exercise("__AES__", "x.i = _mm_aesenc_si128(x.i, x.i);", "AESNI"),
  exercise("__PCLMUL__", "x.i = _mm_clmulepi64_si128(x.i, x.i, 0);", "PCLMULQDQ"),
  exercise("__SHA__", "x.i = _mm_sha1msg1_epu32(x.i, x.i);", "SHA"),
  exercise("__RDRND__", "_rdrand32_step(&n);", "RDRAND"),
  exercise("__RDSEED__", "_rdseed32_step(&n);", "RDSEED"),
  exercise("__FSGSBASE__", "n = _readfsbase_u64();", "FSGSBASE"),
  exercise("__RDPID__", "n = _rdpid_u32();", "RDPID"),
  exercise("__CLFLUSHOPT__", "_mm_clflushopt(&n);", "CLFLUSHOPT"),
  exercise("__CLWB__", "_mm_clwb(&n);", "CLWB"),
  exercise("__CLZERO__", "_mm_clzero(&n);", "CLZERO"),
  exercise("__MWAITX__", "_mm_monitorx(&n, 0, 0);", "MWAITX"),
  exercise("__PKU__", "n = _rdpkru_u32();", "PKU"),
  exercise("__XSAVE__", "_xsave(area, 7);", "XSAVE"),
  exercise("__XSAVEC__", "_xsavec(area, 7);", "XSAVEC"),
  exercise("__XSAVEOPT__", "_xsaveopt(area, 7);", "XSAVEOPT"),
  exercise("__AVX__", "x.pd = _mm_add_pd(x.pd, x.pd);", "AVX"),
  exercise("__AVX2__", "y = _mm256_add_epi32(y, y);", "AVX2"),
  exercise("__FMA__", "x.pd = _mm_fmadd_pd(x.pd, x.pd, x.pd);", "FMA"),
  exercise("__F16C__", "x.ps = _mm_cvtph_ps(x.i);", "F16C"),
  exercise("__VAES__", "y = _mm256_aesenc_epi128(y, y);", "VAES"),
  exercise("__VPCLMULQDQ__", "y = _mm256_clmulepi64_epi128(y, y, 0);", "VPCLMULQDQ"),
  exercise("__GFNI__", "x.i = _mm_gf2p8mul_epi8(x.i, x.i);", "GFNI"),
  exercise("__AVX512F__", "z = _mm512_add_epi32(z, z);", "AVX512F"),
  exercise("__AVX512CD__", "z = _mm512_conflict_epi32(z);", "AVX512CD"),
  exercise("__AVX512BW__", "z = _mm512_add_epi8(z, z);", "AVX512BW"),
  exercise("__AVX512DQ__", "z = _mm512_mullo_epi64(z, z);", "AVX512DQ"),
  exercise("__AVX512VL__", "y = _mm256_ternarylogic_epi32(y, y, y, 3);", "AVX512VL AVX512F"),
  exercise("__AVX512IFMA__", "z = _mm512_madd52lo_epu64(z, z, z);", "AVX512_IFMA"),
  exercise("__AVX512VBMI__", "z = _mm512_permutexvar_epi8(z, z);", "AVX512_VBMI"),
  exercise("__AVX512VBMI2__", "z = _mm512_shldv_epi16(z, z, z);", "AVX512_VBMI2"),
  exercise("__AVX512VNNI__", "z = _mm512_dpbusd_epi32(z, z, z);", "AVX512_VNNI"),
  exercise("__AVX512BITALG__", "z = _mm512_popcnt_epi8(z);", "AVX512_BITALG"),
  exercise("__AVX512VPOPCNTDQ__", "z = _mm512_popcnt_epi32(z);", "AVX512_VPOPCNTDQ"),
  exercise(
    "__AVX512BF16__",
    "z = (__m512i)_mm512_cvtne2ps_pbh((__m512)z, (__m512)z);",
    "AVX512_BF16",
  ),
];

const HEAD = `#include <immintrin.h>
#include <x86intrin.h>
volatile unsigned m;
char area[4096] __attribute__((aligned(64)));
struct { __m128i i; __m128 ps; __m128d pd; } x;
#ifdef __AVX__
__m256i y;
#endif
#ifdef __AVX512F__
__m512i z;
#endif
`;

export function exerciseSource(): string {
  const functions = EXERCISES.map(
    ({ macro, unless, body }, i) =>
      `#if defined(${macro})${unless === undefined ? "" : ` && !defined(${unless})`}
void f${i}(void) { unsigned n = m; ${body} m = n; }
#endif`,
  );
  return HEAD + functions.join("\n");
}
