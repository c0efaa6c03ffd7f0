/* What the programs of the corpus share: one function that needs AVX2, and one that does not. */
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))
#define WIDE __attribute__((target("avx2"), noinline))

static volatile int numbers[64];

WIDE static void wide(void) {
  __m256i all = _mm256_setzero_si256();
  for (int i = 0; i + 8 <= 64; i += 8) {
    all = _mm256_add_epi32(all, _mm256_loadu_si256((const __m256i *)(numbers + i)));
    _mm256_storeu_si256((__m256i *)(numbers + i), all);
  }
}

NOINLINE static void narrow(void) {
  for (int i = 8; i < 64; i++) numbers[i] = numbers[i - 8] + 1;
}

static int done(void) {
  int sum = 0;
  for (int i = 0; i < 64; i++) sum += numbers[i];
  printf("%d\n", sum);
  (void)wide;
  (void)narrow;
  return 0;
}
