// Runs the readers of score_examples alone, so that they can be built with sanitizers:
//   c_parts records FILE                  the size of each record
//   c_parts signature FILE SIGNATURE      what it feeds and what it fetches
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "signature.h"
#include "tfrecord.h"

static void print_records(const char* path) {
  RecordReader reader = open_records(path);
  char* bytes = NULL;
  uint64_t size = 0;
  while (next_record(&reader, &bytes, &size)) {
    printf("%llu\n", (unsigned long long)size);
    free(bytes);
  }
  close_records(&reader);
}

static void print_endpoints(const char* path, const char* signature) {
  FILE* file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail("%s cannot be read.", path);
  const size_t size = (size_t)ftell(file);
  rewind(file);
  unsigned char* bytes = allocate(size);  // of exactly this size, so that one byte more is noticed
  if (fread(bytes, 1, size, file) != size) fail("%s cannot be read.", path);
  fclose(file);
  Endpoint fed, fetched;
  find_endpoints(bytes, size, signature, NULL, &fed, &fetched);
  printf("%s:%d %s:%d\n", fed.operation, fed.index, fetched.operation, fetched.index);
  free(fed.operation);
  free(fetched.operation);
  free(bytes);
}

int main(int count, char** arguments) {
  if (count == 3 && strcmp(arguments[1], "records") == 0) {
    print_records(arguments[2]);
  } else if (count == 4 && strcmp(arguments[1], "signature") == 0) {
    print_endpoints(arguments[2], arguments[3]);
  } else {
    fail("give records FILE or signature FILE SIGNATURE.");
  }
  return 0;
}
