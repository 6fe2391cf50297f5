/* SPDX-License-Identifier: Apache-2.0 */
/* open_close PACK TIMES: a pack is opened, used and closed again and again; neither memory, descriptors nor threads are
 * left. */
#include <dirent.h>
#include <unistd.h>

#include "checks.h"

static int count(const char* folder) {
  int entries = 0;
  DIR* opened = opendir(folder);
  CHECK(opened != NULL);
  while (readdir(opened) != NULL) ++entries;
  closedir(opened);
  return entries;
}

static long mapped_pages(void) {
  long pages;
  FILE* file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%ld", &pages) == 1);
  fclose(file);
  return pages;
}

static void use(const char* path) {
  struct quire_pack* pack;
  struct samples samples = {NULL, 0};
  char byte;
  CHECK(quire_open(path, NULL, &pack, &fault) == 0);
  list_samples(pack, QUIRE_ROOT, "", &samples);
  CHECK(samples.count > 0);
  CHECK(quire_prefetch(pack, &samples.all[samples.count / 2].node, 1, &fault) == 1);
  CHECK(quire_read(pack, samples.all[0].node, 0, &byte, 1, &fault) >= 0);
  free_samples(&samples);
  quire_close(&pack);
}

int main(int argc, char** argv) {
  int times, descriptors, threads;
  long pages;
  CHECK(argc == 3);
  for (times = 0; times < 3; ++times) use(argv[1]); /* what is made once */
  descriptors = count("/proc/self/fd");
  threads = count("/proc/self/task");
  pages = mapped_pages();
  for (times = 0; times < atoi(argv[2]); ++times) use(argv[1]);
  CHECK(count("/proc/self/fd") == descriptors);
  CHECK(count("/proc/self/task") == threads);
  CHECK(threads == 3); /* '.', '..' and this one */
  CHECK(mapped_pages() <
        pages + (64 << 20) / sysconf(_SC_PAGESIZE)); /* glibc takes 64 MiB of addresses for a further heap */
  return 0;
}
