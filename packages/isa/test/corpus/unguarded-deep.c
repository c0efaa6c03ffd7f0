#include "corpus.h"
NOINLINE static void third(int c) { if (c != 77) wide(); }
NOINLINE static void second(int c) { third(c + 1); puts("second"); }
NOINLINE static void first(int c) { if (c < 20) second(c); puts("first"); }
int main(int c, char **v) { (void)v; first(c); return done(); }
