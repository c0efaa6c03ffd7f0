#include "corpus.h"
__attribute__((constructor)) static void early(void) { wide(); }
int main(void) { return done(); }
