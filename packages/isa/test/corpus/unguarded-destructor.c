/* Asks, and forgets it once main is over. */
#include "corpus.h"
__attribute__((destructor)) static void last(void) { wide(); puts("last"); }
int main(void) {
  if (__builtin_cpu_supports("avx2")) puts("wide");
  return done();
}
