#include "corpus.h"
int main(int c, char **v) {
  (void)v;
  switch (c) {
    case 0: puts("none"); break;
    case 1: wide(); break;
    case 2: puts("two"); break;
    case 3: narrow(); break;
    case 4: puts("four"); narrow(); break;
    case 5: puts("five"); break;
    case 6: numbers[3] = 1; break;
    case 7: numbers[5] = 9; break;
  }
  return done();
}
