/* A structure on the stack is lent to whoever works by it. */
#include "corpus.h"
struct context { int count; unsigned char has; };
NOINLINE static void work(const struct context *context) {
  if (context->has) wide();
  else for (int i = 0; i < context->count; i++) narrow();
}
int main(int count, char **words) {
  (void)words;
  struct context context = {count, __builtin_cpu_supports("avx2") != 0};
  work(&context);
  return done();
}
