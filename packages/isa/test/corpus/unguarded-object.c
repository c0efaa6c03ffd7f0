/* An object with a table of methods, as C++ and Rust have them. */
#include "corpus.h"
struct methods { void (*open)(void); void (*run)(int); };
struct object { const struct methods *methods; int value; };
NOINLINE static void open_it(void) { puts("open"); }
NOINLINE static void run_it(int n) { if (n > 0) wide(); }
static const struct methods methods = {open_it, run_it};
NOINLINE static struct object *make(int n) {
  struct object *it = malloc(sizeof *it);
  it->methods = &methods;
  it->value = n;
  return it;
}
int main(int c, char **v) {
  (void)v;
  struct object *it = make(c);
  it->methods->open();
  it->methods->run(it->value);
  return done();
}
