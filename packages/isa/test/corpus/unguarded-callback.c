#include "corpus.h"
static int compare(const void *a, const void *b) { wide(); return *(const int *)a - *(const int *)b; }
int main(int c, char **v) {
  (void)v;
  int list[4] = {4, c, 2, 3};
  qsort(list, 4, sizeof *list, compare);
  return done();
}
