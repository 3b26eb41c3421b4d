#define _POSIX_C_SOURCE 200809L

#include "failure.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int failure_descriptor = STDERR_FILENO;

void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fflush(stdout);
  dprintf(failure_descriptor, "error: ");
  vdprintf(failure_descriptor, format, arguments);
  dprintf(failure_descriptor, "\n");
  va_end(arguments);
  exit(EXIT_MISTAKE);
}

void* allocate(unsigned long long bytes) {
  void* memory = bytes <= SIZE_MAX ? malloc(bytes == 0 ? 1 : (size_t)bytes) : NULL;
  if (memory == NULL) fail("there is no memory for %llu bytes.", bytes);
  return memory;
}
