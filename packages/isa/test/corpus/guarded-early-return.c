#include "corpus.h"
NOINLINE static int work(int c) {
  if (c > 50) return 2;
  if (!__builtin_cpu_supports("avx2")) { narrow(); return 0; }
  wide();
  puts("wide");
  return 0;
}
int main(int c, char **v) { (void)v; __builtin_cpu_init(); return work(c) + done(); }
