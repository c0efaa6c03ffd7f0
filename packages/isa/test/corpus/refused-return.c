#include "corpus.h"
int main(void) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) { puts("this program needs a CPU with AVX2"); return 3; }
  wide();
  return done();
}
