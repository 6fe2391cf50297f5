/* SPDX-License-Identifier: Apache-2.0 */
/* Reads samples as bench/library_figures asks: prints the seconds that each pass over them took, and a sum of their
 * bytes. library_reads batch PACK PATHS PASSES      by quire_find of each and one quire_read_batch library_reads one
 * PACK PATHS PASSES        by quire_find and quire_read of each library_reads files FOLDER PATHS PASSES    by open,
 * read and close of each PATHS: a file of lines "SIZE PATH". What is done once, opening the pack and finding the
 * samples, is of the first pass. */
#include <fcntl.h>
#include <quire/quire.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct quire_request* requests;
static char** paths;
static size_t count;

static void fail(const char* what) {
  fprintf(stderr, "library_reads: %s\n", what);
  exit(1);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void take_paths(const char* list) {
  char line[8192];
  FILE* file = fopen(list, "r");
  if (file == NULL) fail(list);
  while (fgets(line, sizeof line, file) != NULL) {
    char* path = strchr(line, ' ');
    if (path == NULL) fail("a line that is not SIZE PATH");
    requests = realloc(requests, (count + 1) * sizeof *requests);
    paths = realloc(paths, (count + 1) * sizeof *paths);
    path[strcspn(path, "\n")] = '\0';
    paths[count] = strdup(path + 1);
    requests[count].offset = 0;
    requests[count].capacity = (size_t)strtoull(line, NULL, 10);
    requests[count].buffer = malloc(requests[count].capacity + 1);
    memset(requests[count].buffer, 1, requests[count].capacity); /* its memory is no part of what is measured */
    ++count;
  }
  fclose(file);
}

static void find_all(struct quire_pack* pack) {
  struct quire_error error;
  size_t at;
  for (at = 0; at < count; ++at)
    if (quire_find(pack, paths[at], 0, &requests[at].node, &error) != 0) fail(error.message);
}

static void read_by_library(struct quire_pack* pack, int as_batch) {
  struct quire_error error;
  size_t at;
  if (as_batch) {
    if (quire_read_batch(pack, requests, count, &error) != 0) fail(error.message);
    return;
  }
  for (at = 0; at < count; ++at)
    if (quire_read(pack, requests[at].node, 0, requests[at].buffer, requests[at].capacity, &error) < 0)
      fail(error.message);
}

static void read_files(int folder) {
  size_t at;
  for (at = 0; at < count; ++at) {
    size_t got = 0;
    const int file = openat(folder, paths[at], O_RDONLY);
    if (file < 0) fail(paths[at]);
    while (got < requests[at].capacity) {
      const ssize_t bytes = read(file, (char*)requests[at].buffer + got, requests[at].capacity - got);
      if (bytes <= 0) fail(paths[at]);
      got += (size_t)bytes;
    }
    close(file);
  }
}

static uint64_t sum_of_all(void) {
  uint64_t sum = 0;
  size_t at, byte;
  for (at = 0; at < count; ++at)
    for (byte = 0; byte < requests[at].capacity; byte += 61)
      sum = sum * 31 + ((unsigned char*)requests[at].buffer)[byte];
  return sum;
}

int main(int argc, char** argv) {
  struct quire_pack* pack = NULL;
  struct quire_error error;
  int passes, folder = -1;
  double from;
  if (argc != 5) return 2;
  take_paths(argv[3]);
  from = seconds();
  if (strcmp(argv[1], "files") == 0) {
    folder = open(argv[2], O_RDONLY | O_DIRECTORY);
    if (folder < 0) fail(argv[2]);
  } else if (quire_open(argv[2], NULL, &pack, &error) != 0) {
    fail(error.message);
  } else {
    find_all(pack);
  }
  for (passes = 0; passes < atoi(argv[4]); ++passes) {
    if (pack == NULL)
      read_files(folder);
    else
      read_by_library(pack, strcmp(argv[1], "batch") == 0);
    printf("%.6f\n", seconds() - from);
    from = seconds();
  }
  printf("%016llx\n", (unsigned long long)sum_of_all());
  quire_close(&pack);
  return 0;
}
