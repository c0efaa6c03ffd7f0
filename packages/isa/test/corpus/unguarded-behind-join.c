/* The first use is guarded; the second stands behind both branches. */
#include "corpus.h"
WIDE static void wider(void) { wide(); puts("wider"); }
int main(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) wider();
  else narrow();
  wide();
  return done();
}
