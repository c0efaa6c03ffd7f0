#include "corpus.h"
NOINLINE static void run(void (*work)(void)) { work(); }
int main(void) {
  __builtin_cpu_init();
  run(__builtin_cpu_supports("avx2") ? wide : narrow);
  return done();
}
