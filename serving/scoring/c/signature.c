#include "signature.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "failure.h"

// Numbers of the fields that are read; see tensorflow/core/protobuf/meta_graph.proto.
enum {
  META_GRAPH_SIGNATURE_DEF = 5,
  SIGNATURE_INPUTS = 1,
  SIGNATURE_OUTPUTS = 2,
  TENSOR_NAME = 1,
  TENSOR_DTYPE = 2,
  MAP_KEY = 1,
  MAP_VALUE = 2,
};

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

// Bytes of a message, from `at` up to `end`.
typedef struct {
  const unsigned char* at;
  const unsigned char* end;
} Span;

typedef struct {
  uint64_t number;
  int wire;
  uint64_t value;  // of a varint
  Span bytes;      // of a string, bytes or message
} Field;

static _Noreturn void malformed(void) {
  fail("the graph of the export is no valid MetaGraphDef. Export again.");
}

static uint64_t read_varint(Span* span) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (span->at == span->end) malformed();
    const unsigned char byte = *span->at++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  malformed();
}

static Span read_bytes(Span* span, uint64_t size) {
  if (size > (uint64_t)(span->end - span->at)) malformed();
  const Span bytes = {span->at, span->at + size};
  span->at += size;
  return bytes;
}

// Reads the next field; false at the end of the message.
static bool read_field(Span* span, Field* field) {
  if (span->at == span->end) return false;
  const uint64_t tag = read_varint(span);
  *field = (Field){.number = tag >> 3, .wire = (int)(tag & 7)};
  switch (field->wire) {
    case WIRE_VARINT:
      field->value = read_varint(span);
      return true;
    case WIRE_FIXED64:
      read_bytes(span, 8);
      return true;
    case WIRE_BYTES:
      field->bytes = read_bytes(span, read_varint(span));
      return true;
    case WIRE_FIXED32:
      read_bytes(span, 4);
      return true;
    default:
      malformed();  // groups are no part of these messages
  }
}

// The last field of a message that is a string, bytes or a message; empty where there is none.
static Span find_bytes(Span message, uint64_t number) {
  Span found = {NULL, NULL};
  Field field;
  while (read_field(&message, &field)) {
    if (field.number == number && field.wire == WIRE_BYTES) found = field.bytes;
  }
  return found;
}

static bool equals(Span span, const char* text) {
  const size_t size = (size_t)(span.end - span.at);
  return size == strlen(text) && (size == 0 || memcmp(span.at, text, size) == 0);
}

// How many entries a map has, and the value at a key. Without a key, the value of any entry.
static size_t find_entry(Span message, uint64_t number, const char* key, Span* value) {
  size_t entries = 0;
  Field field;
  *value = (Span){NULL, NULL};
  while (read_field(&message, &field)) {
    if (field.number != number || field.wire != WIRE_BYTES) continue;
    ++entries;
    if (key == NULL || equals(find_bytes(field.bytes, MAP_KEY), key)) {
      *value = find_bytes(field.bytes, MAP_VALUE);
    }
  }
  return entries;
}

// A TensorInfo as operation and index: its name is "operation:index".
static Endpoint endpoint_of(Span tensor_info) {
  const Span name = find_bytes(tensor_info, TENSOR_NAME);
  const unsigned char* digits = name.end;
  while (digits != name.at && digits[-1] != ':') --digits;
  if (digits == name.end || digits - name.at < 2) malformed();
  const size_t size = (size_t)(digits - name.at) - 1;
  if (memchr(name.at, 0, size) != NULL) malformed();
  Endpoint endpoint = {NULL, 0, 0};
  for (const unsigned char* digit = digits; digit != name.end; ++digit) {
    if (*digit < '0' || *digit > '9' || endpoint.index > INT_MAX / 10 - 1) malformed();
    endpoint.index = endpoint.index * 10 + (*digit - '0');
  }
  Field field;
  while (read_field(&tensor_info, &field)) {
    if (field.number == TENSOR_DTYPE && field.wire == WIRE_VARINT) endpoint.dtype = field.value;
  }
  endpoint.operation = allocate(size + 1);
  memcpy(endpoint.operation, name.at, size);
  endpoint.operation[size] = 0;
  return endpoint;
}

void find_endpoints(const unsigned char* meta_graph, size_t size, const char* signature,
                    const char* output, Endpoint* fed, Endpoint* fetched) {
  const Span graph = {meta_graph, meta_graph + size};
  Span found, input_info, output_info;
  find_entry(graph, META_GRAPH_SIGNATURE_DEF, signature, &found);
  if (found.at == NULL) {
    fail("the export has no signature \"%s\". Give one that takes tf.Examples, such as "
         "serving_default.", signature);
  }
  const size_t inputs = find_entry(found, SIGNATURE_INPUTS, NULL, &input_info);
  if (inputs != 1 || input_info.at == NULL) {
    fail("signature \"%s\" takes %zu tensors, but one of tf.Examples is expected. Give another "
         "signature, such as serving_default.", signature, inputs);
  }
  const size_t outputs =
      find_entry(found, SIGNATURE_OUTPUTS, output == NULL ? "prob" : output, &output_info);
  if (output_info.at == NULL && output == NULL && outputs == 1) {
    find_entry(found, SIGNATURE_OUTPUTS, NULL, &output_info);
  }
  if (output_info.at == NULL) {
    fail("signature \"%s\" has %zu outputs, none of them \"%s\". Name one by --output.", signature,
         outputs, output == NULL ? "prob" : output);
  }
  *fed = endpoint_of(input_info);
  *fetched = endpoint_of(output_info);
  if (fed->dtype != DTYPE_STRING || fetched->dtype != DTYPE_FLOAT) {
    fail("signature \"%s\" is of other types than tf.Examples to float32. Give another signature or "
         "output.", signature);
  }
}
