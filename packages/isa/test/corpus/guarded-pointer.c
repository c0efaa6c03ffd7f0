#include "corpus.h"
static void (*work)(void) = narrow;
NOINLINE static void choose(void) { __builtin_cpu_init(); if (__builtin_cpu_supports("avx2")) work = wide; }
int main(void) { choose(); work(); return done(); }
