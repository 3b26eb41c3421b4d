#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "tfrecord.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "failure.h"

enum { HEADER = 12, FOOTER = 4 };

// CRC-32C (Castagnoli), reflected, a bit at a time into a table made once.
static uint32_t crc32c(const unsigned char* bytes, uint64_t size) {
  static uint32_t table[256];
  if (table[1] == 0) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t rest = byte;
      for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ (rest & 1 ? 0x82f63b78u : 0);
      table[byte] = rest;
    }
  }
  uint32_t crc = 0xffffffffu;
  for (uint64_t i = 0; i < size; ++i) crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xff];
  return crc ^ 0xffffffffu;
}

// Checksums are stored masked, because the checksum of bytes that hold their own is always alike.
static uint32_t masked_crc32c(const unsigned char* bytes, uint64_t size) {
  const uint32_t crc = crc32c(bytes, size);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static uint64_t little_endian(const unsigned char* bytes, int size) {
  uint64_t value = 0;
  while (size-- > 0) value = value << 8 | bytes[size];
  return value;
}

RecordReader open_records(const char* path) {
  RecordReader reader = {.file = fopen(path, "rb"), .path = path};
  struct stat status;
  if (reader.file == NULL || fstat(fileno(reader.file), &status) != 0) {
    fail("%s cannot be read: %s. Give a TFRecord file of tf.Examples.", path, strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    fail("%s is no regular file. Give a TFRecord file of tf.Examples.", path);
  }
  reader.left = (uint64_t)status.st_size;
  return reader;
}

static void read_exactly(RecordReader* reader, void* bytes, uint64_t size) {
  if (fread(bytes, 1, size, reader->file) != size) {
    fail("%s cannot be read at record %" PRIu64 " (from 0). Does something else write it?",
         reader->path, reader->records);
  }
  reader->left -= size;
}

static _Noreturn void damaged(const RecordReader* reader, const char* what) {
  fail("%s is no whole, uncompressed TFRecord file: record %" PRIu64 " (from 0) %s. Write it again.",
       reader->path, reader->records, what);
}

bool next_record(RecordReader* reader, char** bytes, uint64_t* size) {
  if (reader->left == 0) return false;
  unsigned char header[HEADER], footer[FOOTER];
  if (reader->left < HEADER + FOOTER) damaged(reader, "is cut off");
  read_exactly(reader, header, HEADER);
  if (masked_crc32c(header, 8) != little_endian(header + 8, 4)) {
    damaged(reader, "has a length whose checksum does not match");
  }
  *size = little_endian(header, 8);
  // Also before memory is asked for: no length makes the program take more than the file has.
  if (*size > reader->left - FOOTER) damaged(reader, "is cut off");
  *bytes = allocate(*size);
  read_exactly(reader, *bytes, *size);
  read_exactly(reader, footer, FOOTER);
  if (masked_crc32c((const unsigned char*)*bytes, *size) != little_endian(footer, 4)) {
    damaged(reader, "has bytes whose checksum does not match");
  }
  ++reader->records;
  return true;
}

void close_records(RecordReader* reader) { fclose(reader->file); }
