/* A level is an index into a table. */
#include "corpus.h"
static void (*const steps[])(void) = {narrow, narrow, wide};
static int level = -1;
NOINLINE static int pick(void) {
  if (level < 0) level = __builtin_cpu_supports("avx2") ? 2 : __builtin_cpu_supports("sse4.2") != 0;
  return level;
}
int main(void) {
  steps[pick()]();
  return done();
}
