/* SPDX-License-Identifier: Apache-2.0 */
/* damage PACK TREE PATH: of a pack in which the sample at PATH is damaged all others can be read, and that one never.
 */
#include <errno.h>

#include "checks.h"

int main(int argc, char** argv) {
  struct quire_options options;
  struct quire_pack* pack;
  struct samples samples = {NULL, 0};
  struct quire_request* requests;
  quire_node bad;
  size_t at, failed = 0;
  unsigned char byte;
  CHECK(argc == 4);
  CHECK(quire_open(argv[1], NULL, &pack, &fault) == 0);
  CHECK(quire_find(pack, argv[3], 0, &bad, &fault) == 0);
  list_samples(pack, QUIRE_ROOT, "", &samples);
  requests = allocate(samples.count * sizeof *requests);
  for (at = 0; at < samples.count; ++at) {
    requests[at].node = samples.all[at].node;
    requests[at].offset = 0;
    requests[at].capacity = samples.all[at].bytes;
    requests[at].buffer = allocate(samples.all[at].bytes);
  }
  CHECK(quire_read_batch(pack, requests, samples.count, &fault) == -EBADMSG);
  puts(fault.message);
  for (at = 0; at < samples.count; ++at) {
    size_t bytes;
    unsigned char* content = content_of(argv[2], samples.all[at].path, &bytes);
    if (requests[at].result < 0) {
      CHECK(requests[at].node == bad && requests[at].result == -EBADMSG);
      ++failed;
    } else {
      CHECK(requests[at].result == (int64_t)bytes && memcmp(requests[at].buffer, content, bytes) == 0);
    }
    free(content);
    free(requests[at].buffer);
  }
  CHECK(failed == 1);
  CHECK(quire_read(pack, bad, 0, &byte, 1, &fault) == -EBADMSG && fault.message[0] != '\0');
  free(requests);
  free_samples(&samples);
  quire_close(&pack);

  memset(&options, 0, sizeof options);
  options.flags = QUIRE_VERIFY;
  CHECK(quire_open(argv[1], &options, &pack, &fault) == -EBADMSG && pack == NULL);
  puts(fault.message);
  return 0;
}
