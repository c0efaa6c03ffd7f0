/* FSGSBASE is announced by the kernel's auxiliary vector. */
#include "corpus.h"
#include <sys/auxv.h>
__attribute__((target("fsgsbase"), noinline)) static unsigned long base(void) { return _readfsbase_u64(); }
int main(void) {
  if (getauxval(AT_HWCAP2) & 2) printf("%lx\n", base());
  narrow();
  return done();
}
