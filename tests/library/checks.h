/* SPDX-License-Identifier: Apache-2.0 */
/* For the programs that test libquire: a check that fails says where and what the library said, and ends the program.
 */
#ifndef QUIRE_TESTS_LIBRARY_CHECKS_H
#define QUIRE_TESTS_LIBRARY_CHECKS_H

#include <quire/quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern struct quire_error fault;

#define CHECK(condition)                                                                          \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, fault.message); \
      exit(1);                                                                                    \
    }                                                                                             \
  } while (0)

void* allocate(size_t bytes);

/* What a file of the tree that was packed holds. */
unsigned char* content_of(const char* tree, const char* path, size_t* bytes);

struct sample {
  quire_node node;
  size_t bytes;
  char* path;
};

struct samples {
  struct sample* all;
  size_t count;
};

/* Adds all samples below a directory, whose path is `path`. */
void list_samples(struct quire_pack* pack, quire_node directory, const char* path, struct samples* samples);
void free_samples(struct samples* samples);

#endif
