// Scores a file of serialized tf.Examples with an export: libtensorflow, and no Python.
//
//   make            builds it against the TensorFlow wheel of `python3` (PYTHON=... for another)
//   ./score_examples EXPORT FILE [--signature NAME] [--output NAME] [--batch ROWS]
//
// EXPORT is a version folder, such as export/1. FILE is an uncompressed TFRecord file whose records
// are tf.Examples of raw features, as the signature `serving_default` takes them. Prints one
// probability a line, in order, with the nine digits that name a float32 exactly. A mistake is one
// sentence on standard error and exit code 2; what was scored before it may have been printed.
//
// The loader is the one that TensorFlow Serving uses. Everything a caller of a SavedModel from C has
// to know is in this folder: which operations a signature stands for (signature.c), how strings are
// passed (below), how TFRecords are read (tfrecord.c).

#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failure.h"
#include "signature.h"
#include "tensorflow/c/c_api.h"
#include "tfrecord.h"

#define LARGEST_BATCH 100000

typedef struct {
  const char* export_folder;
  const char* examples;
  const char* signature;
  const char* output;  // NULL: "prob", or the only one
  int batch;
} Options;

typedef struct {
  TF_Graph* graph;
  TF_Session* session;
  TF_Output fed;
  TF_Output fetched;
} Model;

// TensorFlow tells about processors and drivers on standard error, and begins with it while its
// libraries initialise themselves, before main. So this comes before them: sentences of this program
// go where standard error went, the rest nowhere. TF_CPP_MIN_LOG_LEVEL=0 shows everything.
static void be_quiet(int count, char** arguments, char** environment) {
  (void)count;
  (void)arguments;
  for (; *environment != NULL; ++environment) {
    if (strcmp(*environment, "TF_CPP_MIN_LOG_LEVEL=0") == 0) return;
  }
  const int nowhere = open("/dev/null", O_WRONLY);
  const int kept = dup(STDERR_FILENO);
  if (nowhere == -1 || kept == -1 || dup2(nowhere, STDERR_FILENO) == -1) return;
  close(nowhere);
  failure_descriptor = kept;
}
__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(
    int, char**, char**) = be_quiet;

static _Noreturn void usage(const char* problem) {
  fail("%s. Usage: score_examples EXPORT FILE [--signature NAME] [--output NAME] [--batch ROWS].",
       problem);
}

static Options read_options(int count, char** arguments) {
  Options options = {NULL, NULL, "serving_default", NULL, 256};
  for (int i = 1; i < count; ++i) {
    const char* argument = arguments[i];
    if (strncmp(argument, "--", 2) == 0) {
      if (++i == count) usage("the last option has no value");
      char* end = NULL;
      if (strcmp(argument, "--signature") == 0) {
        options.signature = arguments[i];
      } else if (strcmp(argument, "--output") == 0) {
        options.output = arguments[i];
      } else if (strcmp(argument, "--batch") == 0) {
        const long batch = strtol(arguments[i], &end, 10);
        if (*arguments[i] == 0 || *end != 0 || batch < 1 || batch > LARGEST_BATCH) {
          usage("--batch is a whole number from 1 to 100000");
        }
        options.batch = (int)batch;
      } else {
        usage("there is an unknown option");
      }
    } else if (options.export_folder == NULL) {
      options.export_folder = argument;
    } else if (options.examples == NULL) {
      options.examples = argument;
    } else {
      usage("there are more than two arguments");
    }
  }
  if (options.examples == NULL) usage("an export and a file of tf.Examples are expected");
  return options;
}

// A status as one sentence: messages of TensorFlow may have many lines.
static void check(const TF_Status* status, const char* what, const char* where) {
  if (TF_GetCode(status) == TF_OK) return;
  const char* message = TF_Message(status);
  fail("%s %s: %.*s", what, where, (int)strcspn(message, "\n"), message);
}

static TF_Output output_of(TF_Graph* graph, Endpoint* endpoint) {
  TF_Operation* operation = TF_GraphOperationByName(graph, endpoint->operation);
  if (operation == NULL || endpoint->index >= TF_OperationNumOutputs(operation)) {
    fail("the graph has no tensor %s:%d, which its signature names. Export again.",
         endpoint->operation, endpoint->index);
  }
  const TF_Output output = {operation, endpoint->index};
  free(endpoint->operation);
  return output;
}

static Model load(const Options* options, TF_Status* status) {
  const char* tags[] = {"serve"};
  TF_SessionOptions* session_options = TF_NewSessionOptions();
  TF_Buffer* meta_graph = TF_NewBuffer();
  Model model = {.graph = TF_NewGraph()};
  model.session = TF_LoadSessionFromSavedModel(session_options, NULL, options->export_folder, tags,
                                               1, model.graph, meta_graph, status);
  TF_DeleteSessionOptions(session_options);
  check(status, "there is no export that can be loaded in", options->export_folder);
  Endpoint fed, fetched;
  find_endpoints(meta_graph->data, meta_graph->length, options->signature, options->output, &fed,
                 &fetched);
  TF_DeleteBuffer(meta_graph);
  model.fed = output_of(model.graph, &fed);
  model.fetched = output_of(model.graph, &fetched);
  return model;
}

static void unload(Model* model, TF_Status* status) {
  TF_CloseSession(model->session, status);
  TF_DeleteSession(model->session, status);
  TF_DeleteGraph(model->graph);
}

static void print_scores(const TF_Tensor* scores, int rows) {
  if (TF_TensorType(scores) != TF_FLOAT || TF_TensorElementCount(scores) != rows) {
    fail("the output has %" PRId64 " values for %d rows. Name one with a probability a row by "
         "--output.", TF_TensorElementCount(scores), rows);
  }
  const float* values = TF_TensorData(scores);
  for (int row = 0; row < rows; ++row) printf("%.9g\n", (double)values[row]);
}

// Scores the next rows of the file; false where none is left.
static bool score_batch(const Model* model, RecordReader* reader, int batch, TF_Status* status) {
  char** examples = allocate((unsigned long long)batch * sizeof(*examples));
  uint64_t* sizes = allocate((unsigned long long)batch * sizeof(*sizes));
  int rows = 0;
  while (rows < batch && next_record(reader, &examples[rows], &sizes[rows])) ++rows;
  if (rows > 0) {
    const int64_t shape[] = {rows};
    TF_Tensor* input = TF_AllocateTensor(TF_STRING, shape, 1, (size_t)rows * sizeof(TF_TString));
    TF_TString* strings = TF_TensorData(input);
    for (int row = 0; row < rows; ++row) {
      TF_StringInit(&strings[row]);
      TF_StringCopy(&strings[row], examples[row], sizes[row]);
      free(examples[row]);
    }
    TF_Tensor* scores = NULL;
    TF_SessionRun(model->session, NULL, &model->fed, &input, 1, &model->fetched, &scores, 1, NULL, 0,
                  NULL, status);
    // The tensor owns the array, but not what its strings point to.
    for (int row = 0; row < rows; ++row) TF_StringDealloc(&strings[row]);
    TF_DeleteTensor(input);
    check(status, "rows cannot be scored that are in", reader->path);
    print_scores(scores, rows);
    TF_DeleteTensor(scores);
  }
  free(sizes);
  free(examples);
  return rows == batch;
}

int main(int count, char** arguments) {
  const Options options = read_options(count, arguments);
  RecordReader reader = open_records(options.examples);  // before the export: it takes seconds
  TF_Status* status = TF_NewStatus();
  Model model = load(&options, status);
  while (score_batch(&model, &reader, options.batch, status)) continue;
  close_records(&reader);
  unload(&model, status);
  TF_DeleteStatus(status);
  if (fflush(stdout) != 0 || ferror(stdout)) fail("the scores cannot be written.");
  return EXIT_SUCCESS;
}
