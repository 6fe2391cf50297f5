/* SPDX-License-Identifier: Apache-2.0 */
#include "checks.h"

#include <sys/stat.h>

struct quire_error fault;

void* allocate(size_t bytes) {
  void* memory = malloc(bytes > 0 ? bytes : 1);
  CHECK(memory != NULL);
  return memory;
}

unsigned char* content_of(const char* tree, const char* path, size_t* bytes) {
  char whole[8192];
  unsigned char* content;
  FILE* file;
  CHECK((size_t)snprintf(whole, sizeof whole, "%s/%s", tree, path) < sizeof whole);
  file = fopen(whole, "rb");
  CHECK(file != NULL);
  CHECK(fseek(file, 0, SEEK_END) == 0);
  *bytes = (size_t)ftell(file);
  rewind(file);
  content = allocate(*bytes);
  CHECK(fread(content, 1, *bytes, file) == *bytes);
  fclose(file);
  return content;
}

void list_samples(struct quire_pack* pack, quire_node directory, const char* path, struct samples* samples) {
  struct quire_entry entries[7]; /* few, so that a directory takes several calls */
  uint64_t position = 0;
  int64_t count;
  while ((count = quire_list(pack, directory, position, entries, 7, &fault)) > 0) {
    int64_t at;
    for (at = 0; at < count; ++at) {
      char* below = allocate(strlen(path) + strlen(entries[at].name) + 2);
      sprintf(below, "%s%s%s", path, *path == '\0' ? "" : "/", entries[at].name);
      if (entries[at].type == S_IFDIR) {
        list_samples(pack, entries[at].node, below, samples);
      } else if (entries[at].type == S_IFREG) {
        samples->all = realloc(samples->all, (samples->count + 1) * sizeof *samples->all);
        CHECK(samples->all != NULL);
        samples->all[samples->count].node = entries[at].node;
        samples->all[samples->count].bytes = (size_t)entries[at].size_bytes;
        samples->all[samples->count].path = below;
        ++samples->count;
        continue;
      }
      free(below);
    }
    position += (uint64_t)count;
  }
  CHECK(count == 0);
}

void free_samples(struct samples* samples) {
  size_t at;
  for (at = 0; at < samples->count; ++at) free(samples->all[at].path);
  free(samples->all);
  samples->all = NULL;
  samples->count = 0;
}
