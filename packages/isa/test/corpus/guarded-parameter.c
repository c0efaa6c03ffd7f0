#include "corpus.h"
enum { LOUD = 1, WIDE_FLAG = 2 };
NOINLINE static void inner(int n, int flags) {
  if (flags & LOUD) puts("loud");
  if (flags & WIDE_FLAG) wide();
  else narrow();
  if (n > 3) puts("more");
}
NOINLINE static void outer(int n, int flags) { inner(n + 1, flags); }
int main(int c, char **v) {
  (void)v;
  __builtin_cpu_init();
  outer(c, (c > 1 ? LOUD : 0) | (__builtin_cpu_supports("avx2") ? WIDE_FLAG : 0));
  return done();
}
