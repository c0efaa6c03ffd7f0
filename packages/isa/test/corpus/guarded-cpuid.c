/* CPUID and XGETBV by hand, remembered in a variable. */
#include "corpus.h"
#include <cpuid.h>
static int known = -1;
static unsigned long long xgetbv(void) {
  unsigned a, d;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return ((unsigned long long)d << 32) | a;
}
NOINLINE static int detect(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  if (!(c & bit_OSXSAVE) || !(c & bit_AVX)) return 0;
  if ((xgetbv() & 6) != 6) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  return (b & bit_AVX2) != 0;
}
NOINLINE static int has_wide(void) { if (known < 0) known = detect(); return known; }
int main(void) {
  if (has_wide()) wide();
  else narrow();
  return done();
}
