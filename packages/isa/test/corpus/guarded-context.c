/* The answer travels in a structure of the heap, far from its start, as in zstd. */
#include "corpus.h"
struct context { char buffer[3000]; int level; int wide; };
NOINLINE static struct context *make(int level) {
  struct context *it = calloc(1, sizeof *it);
  it->level = level;
  __builtin_cpu_init();
  it->wide = __builtin_cpu_supports("avx2") != 0;
  return it;
}
NOINLINE static void block(struct context *it) { if (it->wide) wide(); else narrow(); }
NOINLINE static void stream(struct context *it) { for (int i = 0; i < it->level; i++) block(it); }
int main(int c, char **v) { (void)v; struct context *it = make(c); stream(it); free(it); return done(); }
