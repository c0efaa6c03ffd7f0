#include "corpus.h"
__attribute__((target_clones("avx2", "default"), noinline)) void work(int n) {
  for (int i = 0; i < 64; i++) numbers[i] = numbers[i] * n + 3;
}
int main(int c, char **v) { (void)v; work(c); return done(); }
