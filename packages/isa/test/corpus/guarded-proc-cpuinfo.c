/* Asks the kernel instead of the CPU. */
#include "corpus.h"
NOINLINE static int has_flag(const char *flag) {
  char line[8192];
  int found = 0;
  FILE *file = fopen("/proc/cpuinfo", "r");
  if (file == NULL) return 0;
  while (!found && fgets(line, sizeof line, file))
    if (strncmp(line, "flags", 5) == 0 && strstr(line, flag)) found = 1;
  fclose(file);
  return found;
}
int main(void) {
  if (has_flag(" no_such_flag")) wide();
  else narrow();
  return done();
}
