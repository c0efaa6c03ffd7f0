/* An interpreter, one of whose instructions is done with AVX2. */
#include "corpus.h"
NOINLINE static int run(const unsigned char *program) {
  static const void *const steps[] = {&&end, &&up, &&vector, &&down};
  int value = numbers[0];
  goto *steps[*program];
up: value++; goto *steps[*++program];
down: value--; goto *steps[*++program];
vector: __asm__ volatile("vpaddd %%ymm0, %%ymm0, %%ymm0" ::: "xmm0"); goto *steps[*++program];
end: return value;
}
int main(int count, char **words) {
  (void)words;
  unsigned char program[] = {1, 2, 3, 0};
  if (__builtin_cpu_supports("avx2")) puts("wide");
  program[2] = (unsigned char)count;
  numbers[1] = run(program);
  return done();
}
