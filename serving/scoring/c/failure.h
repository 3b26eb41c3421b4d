// Every mistake ends the program with one sentence on standard error and exit code 2.
#ifndef CONCORD_FAILURE_H_
#define CONCORD_FAILURE_H_

#define EXIT_MISTAKE 2

// Where the sentence goes: standard error, unless somebody moved it.
extern int failure_descriptor;

// What went wrong, as printf takes it, without a newline. Does not return.
_Noreturn void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// malloc that does not return where there is no memory.
void* allocate(unsigned long long bytes);

#endif  // CONCORD_FAILURE_H_
