/* A structure of functions that is filled according to the CPU, as x264 and dav1d do. */
#include "corpus.h"
struct methods { void (*first)(void); void (*second)(void); };
NOINLINE static unsigned flags(void) {
  __builtin_cpu_init();
  unsigned all = 0;
  if (__builtin_cpu_supports("sse4.2")) all |= 1;
  if (__builtin_cpu_supports("avx2")) all |= 8;
  return all;
}
NOINLINE static void fill(struct methods *m) {
  const unsigned all = flags();
  m->first = narrow;
  m->second = narrow;
  if (!(all & 1)) return;
  if (!(all & 8)) return;
  m->first = wide;
  m->second = wide;
}
int main(void) {
  static struct methods m;
  fill(&m);
  m.first();
  m.second();
  return done();
}
