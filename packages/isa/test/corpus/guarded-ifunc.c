#include "corpus.h"
static void (*resolve(void))(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") ? wide : narrow;
}
void work(void) __attribute__((ifunc("resolve")));
int main(void) { work(); return done(); }
