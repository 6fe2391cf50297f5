/* SPDX-License-Identifier: Apache-2.0 */
/* threads PACK TREE SECONDS: threads share one pack, and read, read batches, list and prefetch at random, beside others
 * that open and close it. Prints how many samples were compared. */
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "checks.h"

enum { THREADS = 8, BATCH = 32 };

static struct quire_pack* shared;
static struct samples samples;
static const char* pack_path;
static unsigned char** contents;
static time_t end;

static unsigned next(unsigned* state) {
  *state = *state * 1103515245U + 12345U;
  return *state >> 8;
}

static unsigned long read_batch(struct quire_pack* pack, unsigned* state) {
  struct quire_request requests[BATCH];
  quire_node nodes[BATCH];
  size_t picked[BATCH];
  int at;
  for (at = 0; at < BATCH; ++at) {
    picked[at] = next(state) % samples.count;
    nodes[at] = samples.all[picked[at]].node;
    requests[at].node = nodes[at];
    requests[at].offset = 0;
    requests[at].capacity = samples.all[picked[at]].bytes;
    requests[at].buffer = allocate(requests[at].capacity);
  }
  if (next(state) % 4 == 0) CHECK(quire_prefetch(pack, nodes, BATCH, NULL) >= 0);
  CHECK(quire_read_batch(pack, requests, BATCH, NULL) == 0);
  for (at = 0; at < BATCH; ++at) {
    CHECK(requests[at].result == (int64_t)samples.all[picked[at]].bytes);
    CHECK(memcmp(requests[at].buffer, contents[picked[at]], samples.all[picked[at]].bytes) == 0);
    free(requests[at].buffer);
  }
  return BATCH;
}

static unsigned long read_one(struct quire_pack* pack, unsigned* state) {
  const size_t picked = next(state) % samples.count;
  const size_t bytes = samples.all[picked].bytes;
  const size_t offset = bytes > 0 ? next(state) % bytes : 0;
  unsigned char* got = allocate(bytes);
  quire_node found;
  CHECK(quire_find(pack, samples.all[picked].path, 0, &found, NULL) == 0 && found == samples.all[picked].node);
  CHECK(quire_read(pack, found, offset, got, bytes, NULL) == (int64_t)(bytes - offset));
  CHECK(memcmp(got, contents[picked] + offset, bytes - offset) == 0);
  free(got);
  return 1;
}

static void* work(void* seed) {
  unsigned state = *(unsigned*)seed;
  unsigned long compared = 0;
  unsigned long* result = allocate(sizeof *result);
  while (time(NULL) < end) {
    if (next(&state) % 64 == 0) {
      struct quire_pack* own;
      CHECK(quire_open(pack_path, NULL, &own, NULL) == 0);
      compared += read_one(own, &state);
      if (next(&state) % 2 == 0) CHECK(quire_prefetch(own, &samples.all[0].node, 1, NULL) == 1);
      quire_close(&own);
    }
    compared += next(&state) % 2 == 0 ? read_batch(shared, &state) : read_one(shared, &state);
  }
  *result = compared;
  return result;
}

/* The threads of the library take no signal of the program. */
static void check_signals(void) {
  sigset_t all;
  int number;
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
  CHECK(raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
  CHECK(sigwait(&all, &number) == 0);
}

int main(int argc, char** argv) {
  pthread_t threads[THREADS];
  unsigned seeds[THREADS];
  unsigned long compared = 0;
  struct quire_options options;
  size_t at;
  CHECK(argc == 4);
  pack_path = argv[1];
  memset(&options, 0, sizeof options);
  options.cache_bytes = 8 << 20; /* which evicts all the time */
  CHECK(quire_open(pack_path, &options, &shared, &fault) == 0);
  check_signals();
  list_samples(shared, QUIRE_ROOT, "", &samples);
  contents = allocate(samples.count * sizeof *contents);
  for (at = 0; at < samples.count; ++at) {
    size_t bytes;
    contents[at] = content_of(argv[2], samples.all[at].path, &bytes);
  }
  end = time(NULL) + atoi(argv[3]);
  for (at = 0; at < THREADS; ++at) {
    seeds[at] = (unsigned)at + 1;
    CHECK(pthread_create(&threads[at], NULL, work, &seeds[at]) == 0);
  }
  for (at = 0; at < THREADS; ++at) {
    void* result;
    CHECK(pthread_join(threads[at], &result) == 0);
    compared += *(unsigned long*)result;
    free(result);
  }
  printf("%lu\n", compared);
  for (at = 0; at < samples.count; ++at) free(contents[at]);
  free(contents);
  free_samples(&samples);
  quire_close(&shared);
  return 0;
}
