#include "corpus.h"
static void last(void) { wide(); puts("last"); }
int main(void) { atexit(last); return done(); }
