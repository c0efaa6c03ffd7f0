/* Numbered implementations in a table; the CPU's level is the index. */
#include "corpus.h"
typedef void (*step)(void);
WIDE static void widest(void) { wide(); puts("widest"); }
static const step variants[] = {narrow, wide, widest};
static int level;
NOINLINE static void detect(void) {
  __builtin_cpu_init();
  level = __builtin_cpu_supports("avx512f") ? 2 : __builtin_cpu_supports("avx2") ? 1 : 0;
}
int main(void) { detect(); variants[level](); return done(); }
