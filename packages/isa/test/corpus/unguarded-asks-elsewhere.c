/* Asks, tells the user, and goes on regardless. */
#include "corpus.h"
NOINLINE static void report(void) { puts(__builtin_cpu_supports("avx2") ? "fast" : "slow"); }
int main(void) { report(); wide(); return done(); }
