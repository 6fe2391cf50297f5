/* SPDX-License-Identifier: Apache-2.0 */
/* wrong_usage PACK: a pack with the sample 'file', the directory 'folder' and the symlink 'link' to 'file'. What makes
 * no sense is an error with a sentence, and a later call finds everything as it was. */
#include <errno.h>

#include "checks.h"

#define REFUSED(call, number, part)             \
  do {                                          \
    memset(&fault, 0, sizeof fault);            \
    CHECK((call) == (number));                  \
    CHECK(strstr(fault.message, part) != NULL); \
  } while (0)

static void check_open(const char* path) {
  struct quire_pack* pack = (struct quire_pack*)path; /* anything but NULL */
  struct quire_options options;
  memset(&options, 0, sizeof options);
  REFUSED(quire_open(NULL, NULL, &pack, &fault), -EINVAL, "NULL");
  CHECK(pack == NULL);
  REFUSED(quire_open(path, NULL, NULL, &fault), -EINVAL, "NULL");
  REFUSED(quire_open("/nowhere/at.quire", NULL, &pack, &fault), -ENOENT, "/nowhere/at.quire");
  REFUSED(quire_open("/dev/null", NULL, &pack, &fault), -EBADMSG, "/dev/null");
  options.reserved[3] = 1;
  REFUSED(quire_open(path, &options, &pack, &fault), -EINVAL, "reserved");
  memset(&options, 0, sizeof options);
  options.flags = 1U << 30;
  REFUSED(quire_open(path, &options, &pack, &fault), -EINVAL, "flags 0x40000000");
  memset(&options, 0, sizeof options);
  options.cache_bytes = 1;
  REFUSED(quire_open(path, &options, &pack, &fault), -EINVAL, "8 MiB");
  options.cache_bytes = (uint64_t)1 << 60;
  REFUSED(quire_open(path, &options, &pack, &fault), -EINVAL, "give less");
  CHECK(pack == NULL);
  CHECK(quire_open("/nowhere", NULL, &pack, NULL) == -ENOENT); /* without a place for the sentence */
  quire_close(NULL);
  quire_close(&pack);
}

static void check_no_pack(struct quire_pack* pack) {
  struct quire_attributes attributes;
  struct quire_entry entry;
  struct quire_request request;
  quire_node node = QUIRE_ROOT;
  char byte;
  memset(&request, 0, sizeof request);
  REFUSED(quire_find(pack, "file", 0, &node, &fault), -EINVAL, "closed");
  REFUSED(quire_stat(pack, node, &attributes, &fault), -EINVAL, "closed");
  REFUSED(quire_list(pack, node, 0, &entry, 1, &fault), -EINVAL, "closed");
  REFUSED(quire_readlink(pack, node, &byte, 1, &fault), -EINVAL, "closed");
  REFUSED(quire_read(pack, node, 0, &byte, 1, &fault), -EINVAL, "closed");
  REFUSED(quire_read_batch(pack, &request, 1, &fault), -EINVAL, "closed");
  REFUSED(quire_prefetch(pack, &node, 1, &fault), -EINVAL, "closed");
}

static void check_nodes(struct quire_pack* pack, quire_node file) {
  struct quire_attributes attributes;
  struct quire_entry entry;
  quire_node folder, link, node;
  char byte;
  CHECK(quire_find(pack, "folder", 0, &folder, &fault) == 0);
  CHECK(quire_find(pack, "/link", QUIRE_NO_FOLLOW, &link, &fault) == 0);
  REFUSED(quire_find(pack, NULL, 0, &node, &fault), -EINVAL, "path");
  REFUSED(quire_find(pack, "file", 0, NULL, &fault), -EINVAL, "NULL");
  REFUSED(quire_find(pack, "file", 8, &node, &fault), -EINVAL, "flags 0x8");
  REFUSED(quire_find(pack, "missing", 0, &node, &fault), -ENOENT, "'missing'");
  REFUSED(quire_find(pack, "file/below", 0, &node, &fault), -ENOENT, "not a directory");
  REFUSED(quire_stat(pack, file, NULL, &fault), -EINVAL, "NULL");
  REFUSED(quire_stat(pack, UINT64_MAX, &attributes, &fault), -EINVAL, "there is none");
  REFUSED(quire_read(pack, UINT64_MAX, 0, &byte, 1, &fault), -EINVAL, "there is none");
  REFUSED(quire_read(pack, folder, 0, &byte, 1, &fault), -EISDIR, "directory");
  REFUSED(quire_read(pack, link, 0, &byte, 1, &fault), -EINVAL, "symlink");
  REFUSED(quire_read(pack, file, 0, NULL, 1, &fault), -EINVAL, "NULL");
  REFUSED(quire_list(pack, file, 0, &entry, 1, &fault), -ENOTDIR, "directory");
  REFUSED(quire_list(pack, folder, 0, NULL, 1, &fault), -EINVAL, "NULL");
  CHECK(quire_list(pack, QUIRE_ROOT, UINT64_MAX, &entry, 1, &fault) == 0);
  CHECK(quire_list(pack, QUIRE_ROOT, 0, NULL, 0, &fault) == 0);
  REFUSED(quire_readlink(pack, file, &byte, 1, &fault), -EINVAL, "no symlink");
  REFUSED(quire_readlink(pack, link, NULL, 1, &fault), -EINVAL, "NULL");
  REFUSED(quire_prefetch(pack, NULL, 1, &fault), -EINVAL, "NULL");
  CHECK(quire_prefetch(pack, NULL, 0, &fault) == 0);
  node = UINT64_MAX; /* of a prefetch nothing is told */
  CHECK(quire_prefetch(pack, &node, 1, &fault) == 1);
}

static void check_batches(struct quire_pack* pack, quire_node file) {
  struct quire_request requests[3];
  char bytes[3][16];
  int at;
  memset(requests, 0, sizeof requests);
  for (at = 0; at < 3; ++at) {
    requests[at].node = file;
    requests[at].buffer = bytes[at];
    requests[at].capacity = sizeof bytes[at];
  }
  REFUSED(quire_read_batch(pack, NULL, 1, &fault), -EINVAL, "NULL");
  REFUSED(quire_read_batch(pack, requests, SIZE_MAX, &fault), -EINVAL, "make several");
  CHECK(quire_read_batch(pack, NULL, 0, &fault) == 0);
  CHECK(quire_read_batch(pack, requests, 3, &fault) == 0 && requests[2].result == 7);
  /* One that makes no sense harms no other; the first is told of. */
  requests[1].buffer = NULL;
  requests[2].node = QUIRE_ROOT;
  REFUSED(quire_read_batch(pack, requests, 3, &fault), -EINVAL, "request 1");
  CHECK(requests[0].result == 7 && memcmp(bytes[0], "content", 7) == 0);
  CHECK(requests[1].result == -EINVAL && requests[2].result == -EISDIR);
}

/* A sentence of any length ends with NUL, and tells that something is missing. */
static void check_long_message(struct quire_pack* pack) {
  static char path[4000];
  quire_node node;
  memset(path, 'x', sizeof path - 1);
  REFUSED(quire_find(pack, path, 0, &node, &fault), -ENOENT, "...");
  CHECK(strlen(fault.message) == QUIRE_MESSAGE_BYTES - 1);
}

int main(int argc, char** argv) {
  struct quire_pack* pack;
  quire_node file;
  char content[16];
  CHECK(argc == 2);
  check_open(argv[1]);
  check_no_pack(NULL);
  CHECK(quire_open(argv[1], NULL, &pack, &fault) == 0);
  CHECK(quire_find(pack, "link", 0, &file, &fault) == 0);
  check_nodes(pack, file);
  check_batches(pack, file);
  check_long_message(pack);
  CHECK(quire_read(pack, file, 0, content, sizeof content, &fault) == 7 && memcmp(content, "content", 7) == 0);
  CHECK(fault.message[0] == '\0');
  quire_close(&pack);
  check_no_pack(pack);
  quire_close(&pack);
  return 0;
}
