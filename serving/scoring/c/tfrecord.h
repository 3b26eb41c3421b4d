// Reads a TFRecord file: of each record its length, the length's checksum, the bytes, theirs.
#ifndef CONCORD_TFRECORD_H_
#define CONCORD_TFRECORD_H_

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  FILE* file;
  const char* path;
  uint64_t left;     // bytes of the file that were not read yet
  uint64_t records;  // read so far
} RecordReader;

// Opens a file. Fails with a sentence where it cannot be read.
RecordReader open_records(const char* path);

// Reads the next record into memory that the caller frees; false at the end of the file.
//
// Fails with a sentence where the file ends inside of a record or a checksum does not match.
bool next_record(RecordReader* reader, char** bytes, uint64_t* size);

void close_records(RecordReader* reader);

#endif  // CONCORD_TFRECORD_H_
