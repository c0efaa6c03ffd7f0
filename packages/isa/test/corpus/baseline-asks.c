/* Asks, and only prints the answer. */
#include "corpus.h"
int main(void) {
  puts(__builtin_cpu_supports("avx2") ? "wide" : "narrow");
  narrow();
  return done();
}
