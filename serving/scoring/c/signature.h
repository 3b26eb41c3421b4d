// Which operations of a graph a signature feeds and fetches, read from a serialized MetaGraphDef.
//
// Names of operations are nobody's promise: with several signatures the outputs are called
// StatefulPartitionedCall, _1, _2, ... in no stable order. The SignatureDef says which is which.
#ifndef CONCORD_SIGNATURE_H_
#define CONCORD_SIGNATURE_H_

#include <stddef.h>
#include <stdint.h>

#define DTYPE_FLOAT 1   // tensorflow.DataType
#define DTYPE_STRING 7

// An input or output of a signature.
typedef struct {
  char* operation;  // ended by 0; the caller frees it
  int index;        // which output of the operation
  uint64_t dtype;   // tensorflow.DataType
} Endpoint;

// Finds the only input of a signature, and one of its outputs.
//
// `output` is a name, or NULL: then it is "prob", or the only one. Fails with a sentence where the
// bytes are no MetaGraphDef, or where it has no such signature or output.
void find_endpoints(const unsigned char* meta_graph, size_t size, const char* signature,
                    const char* output, Endpoint* fed, Endpoint* fetched);

#endif  // CONCORD_SIGNATURE_H_
