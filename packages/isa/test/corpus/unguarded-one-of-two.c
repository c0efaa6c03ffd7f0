#include "corpus.h"
static int has;
WIDE static void wider(void) { wide(); puts("wider"); }
NOINLINE static void guarded(void) { if (has) wider(); }
NOINLINE static void forgotten(int c) { if (c < 100) wide(); }
int main(int c, char **v) {
  (void)v;
  __builtin_cpu_init();
  has = __builtin_cpu_supports("avx2");
  guarded();
  forgotten(c);
  return done();
}
