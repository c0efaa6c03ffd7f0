/* The question does not come back where the answer is no. */
#include <setjmp.h>
#include "corpus.h"
static jmp_buf home;
NOINLINE static void need(int has) { if (!has) longjmp(home, 1); }
int main(void) {
  if (setjmp(home) == 0) {
    need(__builtin_cpu_supports("avx2") != 0);
    wide();
  } else narrow();
  return done();
}
