/* SPDX-License-Identifier: Apache-2.0 */
/* forks PACK: a child of fork(2) is refused its parent's pack and opens it anew; the parent goes on. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks.h"

static void read_all(struct quire_pack* pack) {
  struct samples samples = {NULL, 0};
  size_t at;
  list_samples(pack, QUIRE_ROOT, "", &samples);
  CHECK(samples.count > 0);
  for (at = 0; at < samples.count; ++at) {
    char* got = allocate(samples.all[at].bytes);
    CHECK(quire_read(pack, samples.all[at].node, 0, got, samples.all[at].bytes, &fault) ==
          (int64_t)samples.all[at].bytes);
    free(got);
  }
  free_samples(&samples);
}

static int be_child(const char* path, struct quire_pack* inherited) {
  struct quire_pack* own;
  char byte;
  CHECK(quire_read(inherited, QUIRE_ROOT, 0, &byte, 1, &fault) == -EPERM);
  CHECK(strstr(fault.message, "fork") != NULL);
  quire_close(&inherited);
  CHECK(inherited == NULL);
  CHECK(quire_open(path, NULL, &own, &fault) == 0);
  read_all(own);
  quire_close(&own);
  return 0;
}

int main(int argc, char** argv) {
  struct quire_pack* pack;
  int children;
  CHECK(argc == 2);
  CHECK(quire_open(argv[1], NULL, &pack, &fault) == 0);
  read_all(pack);
  for (children = 0; children < 4; ++children) {
    int status;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(be_child(argv[1], pack));
    read_all(pack);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  quire_close(&pack);
  return 0;
}
