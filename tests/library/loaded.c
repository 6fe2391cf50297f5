/* SPDX-License-Identifier: Apache-2.0 */
/* loaded LIBRARY PACK: a program that is not linked with libquire loads it, uses it and lets go of it, again and again,
 * with threads that used it and end later. */
#include <dlfcn.h>
#include <pthread.h>
#include <quire/quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

typedef int open_function(const char*, const struct quire_options*, struct quire_pack**, struct quire_error*);
typedef void close_function(struct quire_pack**);
typedef int64_t read_function(struct quire_pack*, quire_node, uint64_t, void*, size_t, struct quire_error*);
typedef int find_function(struct quire_pack*, const char*, unsigned, quire_node*, struct quire_error*);

static const char* pack_path;
static void* library;

/* ISO C has no cast from an object to a function. */
#define LOAD(type, variable, name)             \
  do {                                         \
    void* found = dlsym(library, name);        \
    CHECK(found != NULL);                      \
    memcpy(&(variable), &found, sizeof found); \
  } while (0)

static void* use(void* unused) {
  open_function* open_pack;
  close_function* close_pack;
  read_function* read_sample;
  find_function* find;
  struct quire_pack* pack;
  quire_node node;
  char content[16];
  (void)unused;
  LOAD(open_function*, open_pack, "quire_open");
  LOAD(close_function*, close_pack, "quire_close");
  LOAD(read_function*, read_sample, "quire_read");
  LOAD(find_function*, find, "quire_find");
  CHECK(open_pack(pack_path, NULL, &pack, NULL) == 0);
  CHECK(find(pack, "file", 0, &node, NULL) == 0);
  CHECK(read_sample(pack, node, 0, content, sizeof content, NULL) == 7);
  close_pack(&pack);
  return NULL;
}

int main(int argc, char** argv) {
  int times;
  CHECK(argc == 3);
  pack_path = argv[2];
  for (times = 0; times < 3; ++times) {
    pthread_t thread;
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    use(NULL);
    CHECK(pthread_create(&thread, NULL, use, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(dlclose(library) == 0);
  }
  return 0;
}
