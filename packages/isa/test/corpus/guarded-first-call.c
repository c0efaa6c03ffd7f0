/* A pointer that begins at a function which replaces it, as in Rust's memchr. */
#include "corpus.h"
static void choose(void);
static void (*volatile work)(void) = choose;
static void choose(void) {
  __builtin_cpu_init();
  work = __builtin_cpu_supports("avx2") ? wide : narrow;
  work();
}
int main(void) { work(); work(); return done(); }
