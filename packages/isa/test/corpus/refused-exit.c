#include "corpus.h"
NOINLINE static void require(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) return;
  fputs("this program needs a CPU with AVX2\n", stderr);
  exit(1);
}
int main(void) { require(); wide(); return done(); }
