#include "corpus.h"
__attribute__((target("avx2"))) int main(int c, char **v) {
  if (c > 64) return (int)strlen(v[1]);
  wide();
  return done();
}
