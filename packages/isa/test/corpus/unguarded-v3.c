/* Built for Haswell as a whole. */
#include "corpus.h"
static volatile double values[64];
NOINLINE static double mix(double a, double b) { return a * b + a; }
int main(int c, char **v) {
  (void)v;
  for (int i = 0; i < 64; i++) values[i] = mix(values[i], c);
  unsigned bits = 0;
  for (int i = 0; i < 64; i++) bits = (bits ^ (unsigned)c) << (c & 7);
  printf("%f %u\n", values[5], bits);
  return done();
}
