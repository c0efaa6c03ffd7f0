#include "corpus.h"
NOINLINE void second(void) { wide(); }
NOINLINE int first(int c) { if (c > 9) return 1; second(); return done(); }
int main(int c, char **v) { (void)v; return first(c); }
