#include "corpus.h"
int main(void) { narrow(); return done(); }
