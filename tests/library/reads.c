/* SPDX-License-Identifier: Apache-2.0 */
/* reads SOURCE TREE [VOLUME]: everything of a pack equals the tree, by every function. Prints how many samples there
 * are. */
#include <sys/stat.h>
#include <unistd.h>

#include "checks.h"

static void check_attributes(struct quire_pack* pack, const struct sample* sample, const char* tree) {
  struct quire_attributes attributes;
  char whole[8192];
  struct stat status;
  snprintf(whole, sizeof whole, "%s/%s", tree, sample->path);
  CHECK(lstat(whole, &status) == 0);
  CHECK(quire_stat(pack, sample->node, &attributes, &fault) == 0);
  CHECK(attributes.size_bytes == (uint64_t)status.st_size && attributes.size_bytes == sample->bytes);
  CHECK(attributes.mode == status.st_mode);
  CHECK(attributes.uid == status.st_uid && attributes.gid == status.st_gid);
  CHECK(attributes.mtime_s == status.st_mtime && attributes.mtime_ns == (uint32_t)status.st_mtim.tv_nsec);
}

static void check_sample(struct quire_pack* pack, const struct sample* sample, const char* tree) {
  size_t bytes, at;
  quire_node found;
  unsigned char* content = content_of(tree, sample->path, &bytes);
  unsigned char* got = allocate(bytes + 1);
  CHECK(bytes == sample->bytes);
  CHECK(quire_find(pack, sample->path, 0, &found, &fault) == 0 && found == sample->node);
  CHECK(quire_read(pack, sample->node, 0, got, bytes + 1, &fault) == (int64_t)bytes);
  CHECK(memcmp(got, content, bytes) == 0);
  /* From the middle, and past the end. */
  for (at = 0; at < bytes; at += bytes / 3 + 1) {
    const size_t want = bytes / 2 + 1;
    const size_t there = bytes - at < want ? bytes - at : want;
    memset(got, 0xaa, bytes + 1);
    CHECK(quire_read(pack, sample->node, at, got, want, &fault) == (int64_t)there);
    CHECK(memcmp(got, content + at, there) == 0);
    CHECK(got[there] == 0xaa);
  }
  CHECK(quire_read(pack, sample->node, bytes, got, 1, &fault) == 0);
  CHECK(quire_read(pack, sample->node, UINT64_MAX, got, 1, &fault) == 0);
  CHECK(quire_read(pack, sample->node, 0, NULL, 0, &fault) == 0);
  free(content);
  free(got);
}

/* All at once, in an order that is not theirs. */
static void check_batch(struct quire_pack* pack, const struct samples* samples, const char* tree) {
  struct quire_request* requests = allocate(samples->count * sizeof *requests);
  size_t at;
  for (at = 0; at < samples->count; ++at) {
    const struct sample* sample = &samples->all[(at * 7919) % samples->count];
    requests[at].node = sample->node;
    requests[at].offset = 0;
    requests[at].capacity = sample->bytes;
    requests[at].buffer = allocate(sample->bytes);
    requests[at].result = -1;
  }
  CHECK(quire_read_batch(pack, requests, samples->count, &fault) == 0);
  for (at = 0; at < samples->count; ++at) {
    size_t bytes;
    unsigned char* content = content_of(tree, samples->all[(at * 7919) % samples->count].path, &bytes);
    CHECK(requests[at].result == (int64_t)bytes);
    CHECK(memcmp(requests[at].buffer, content, bytes) == 0);
    free(content);
    free(requests[at].buffer);
  }
  free(requests);
}

static void prefetch_all(struct quire_pack* pack, const struct samples* samples) {
  quire_node* nodes = allocate(samples->count * sizeof *nodes);
  size_t at;
  for (at = 0; at < samples->count; ++at) nodes[at] = samples->all[at].node;
  CHECK(quire_prefetch(pack, nodes, samples->count, &fault) == (int64_t)samples->count);
  free(nodes);
}

static void check_link(struct quire_pack* pack, const char* tree) {
  char target[4096], packed[4096], whole[8192];
  ssize_t bytes;
  quire_node node;
  snprintf(whole, sizeof whole, "%s/link", tree);
  bytes = readlink(whole, target, sizeof target);
  if (bytes < 0) return;
  CHECK(quire_find(pack, "link", QUIRE_NO_FOLLOW, &node, &fault) == 0);
  CHECK(quire_readlink(pack, node, packed, sizeof packed, &fault) == bytes);
  CHECK(memcmp(target, packed, (size_t)bytes) == 0);
  CHECK(quire_readlink(pack, node, packed, 1, &fault) == 1);
  CHECK(quire_find(pack, "link", 0, &node, &fault) == 0);
}

int main(int argc, char** argv) {
  struct quire_options options;
  struct quire_pack* pack;
  struct samples samples = {NULL, 0};
  const char* volumes[2] = {NULL, NULL};
  int round;
  size_t at;
  CHECK(argc >= 3);
  if (argc > 3) volumes[0] = argv[3];
  for (round = 0; round < 3; ++round) {
    memset(&options, 0, sizeof options);
    options.volumes = volumes;
    /* The smallest cache, that of one's own choice, and one that has been asked for everything before. */
    options.cache_bytes = round == 0 ? 8 << 20 : 0;
    CHECK(quire_open(argv[1], &options, &pack, &fault) == 0);
    list_samples(pack, QUIRE_ROOT, "", &samples);
    if (round == 2) prefetch_all(pack, &samples);
    if (round == 1) check_batch(pack, &samples, argv[2]);
    for (at = 0; at < samples.count; ++at) {
      check_sample(pack, &samples.all[at], argv[2]);
      check_attributes(pack, &samples.all[at], argv[2]);
    }
    check_batch(pack, &samples, argv[2]);
    check_link(pack, argv[2]);
    if (round == 2) printf("%lu\n", (unsigned long)samples.count);
    free_samples(&samples);
    quire_close(&pack);
    CHECK(pack == NULL);
  }
  return 0;
}
