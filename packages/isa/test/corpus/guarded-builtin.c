#include "corpus.h"
int main(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) wide();
  else narrow();
  return done();
}
