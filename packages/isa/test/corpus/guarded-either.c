/* Two ways lead to the same code, both of them questions. */
#include "corpus.h"
int main(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") || __builtin_cpu_supports("avx2")) wide();
  else narrow();
  return done();
}
