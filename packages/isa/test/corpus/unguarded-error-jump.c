/* What longjmp comes back to has asked nobody. */
#include <setjmp.h>
#include "corpus.h"
static jmp_buf home;
NOINLINE static void fail(int n) { if (n < 100) longjmp(home, 1); }
int main(int count, char **words) {
  (void)words;
  if (setjmp(home) == 0) fail(count);
  else wide();
  return done();
}
