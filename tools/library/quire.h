/* SPDX-License-Identifier: Apache-2.0 */
/* libquire: samples of Quire packs for programs in C and C++, without a mount. libquire(3) has examples.
 *
 * Errors. A function that fails returns a negative errno and, where `error` is not NULL, leaves a sentence there that
 * names the cause and the remedy. -EINVAL: wrong usage. -ENOENT: no such path. -EBADMSG: bytes are damaged. -ENOTSUP:
 * of another release, or not for this library. -EPERM: the pack was opened before fork(2). Others are of the system.
 *
 * Threads. Any number of threads may use one pack at once; only quire_close may run beside nothing else of that pack.
 * The threads of the library block all signals. It changes no handler, writes to no stream, exits and throws never.
 *
 * Processes. After fork(2) the child's calls fail with -EPERM: it opens the pack anew. Descriptors close on exec.
 *
 * ABI. Fields named `reserved` are 0; a later release gives them a meaning in which 0 is what this one does. */
#ifndef QUIRE_QUIRE_H
#define QUIRE_QUIRE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define QUIRE_API __attribute__((visibility("default")))
#else
#define QUIRE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN(readability-identifier-naming,modernize-use-using): names of C */

/* A pack that is open. */
struct quire_pack;

/* A file, directory or symlink of a pack: a number below 2^40, which stays the same as long as the pack is open. Hard
 * links of one sample have one number. */
typedef uint64_t quire_node;
#define QUIRE_ROOT ((quire_node)0)

/* The caller owns it; "" after a call that did not fail. A sentence that is too long ends in "...". */
#define QUIRE_MESSAGE_BYTES 1024
struct quire_error {
  char message[QUIRE_MESSAGE_BYTES]; /* ends with NUL, and has no line end */
};

/* All zeros: the defaults. What it points at is not used any more once quire_open has returned. */
struct quire_options {
  uint64_t cache_bytes;       /* of memory for pages, at most: 8 MiB at least; 0: a tenth of it, at most 1 GiB */
  uint32_t flags;             /* QUIRE_VERIFY and others */
  uint32_t retry_s;           /* of a URL: seconds for which a request that fails is repeated; 0: 60 */
  const char* const* volumes; /* NULL, or paths of archives outside of the pack's folder, and NULL behind the last */
  const char* ca_file;        /* of a URL: certificates that are trusted in place of the system's, or NULL */
  const char* header_file;    /* of a URL: lines "Name: value" that are sent along with each request, or NULL */
  const char* profile;        /* of s3://: the profile of ~/.aws, or NULL for that of AWS_PROFILE */
  uint64_t reserved[8];
};
#define QUIRE_VERIFY 1U         /* quire_open reads all of the pack, and fails where anything is damaged */
#define QUIRE_ANONYMOUS 2U      /* of s3://: requests are not signed */
#define QUIRE_REQUESTER_PAYS 4U /* of s3://: not the bucket's owner */

struct quire_attributes {
  uint64_t size_bytes; /* of a file; of a symlink, the length of its target */
  int64_t mtime_s;     /* since 1970 */
  uint32_t mtime_ns;   /* behind that */
  uint32_t mode;       /* type and permissions, as st_mode of stat(2) */
  uint32_t uid;
  uint32_t gid;
  uint64_t nlink;
  uint64_t reserved[8];
};

struct quire_entry {
  quire_node node;
  uint64_t size_bytes; /* as of quire_attributes */
  uint32_t type;       /* S_IFREG, S_IFDIR or S_IFLNK of sys/stat.h */
  uint32_t reserved;
  char name[256]; /* ends with NUL */
};

/* A read of a batch. */
struct quire_request {
  quire_node node;
  uint64_t offset;
  void* buffer;
  size_t capacity; /* bytes that are asked for */
  int64_t result;  /* what quire_read would have returned */
};

/* "1.2.3", of the library in use. */
QUIRE_API const char* quire_version(void);

/* Opens a pack, or an index of archives, by its path or a URL (http, https, s3). `options` may be NULL. Reads little
 * but with QUIRE_VERIFY. 0, and `*pack` to be closed; else `*pack` is NULL. */
QUIRE_API int quire_open(const char* source, const struct quire_options* options, struct quire_pack** pack,
                         struct quire_error* error);

/* Closes `*pack`, which becomes NULL, so that a later use of it is an error and no crash. Waits for what prefetching
 * has under way. Does nothing where `pack` or `*pack` is NULL. In a child of fork(2) it leaves the memory as it is. */
QUIRE_API void quire_close(struct quire_pack** pack);

/* The node at `path`, below the root. Symlinks inside of the pack are followed, but the last one with
 * QUIRE_NO_FOLLOW. */
#define QUIRE_NO_FOLLOW 1U
QUIRE_API int quire_find(struct quire_pack* pack, const char* path, unsigned flags, quire_node* node,
                         struct quire_error* error);

QUIRE_API int quire_stat(struct quire_pack* pack, quire_node node, struct quire_attributes* attributes,
                         struct quire_error* error);

/* Entries of a directory, sorted by name, from number `position` on. How many there were, at most `count`; 0 behind the
 * last. */
QUIRE_API int64_t quire_list(struct quire_pack* pack, quire_node directory, uint64_t position,
                             struct quire_entry* entries, size_t count, struct quire_error* error);

/* The target of a symlink, without a NUL behind it, as readlink(2). */
QUIRE_API int64_t quire_readlink(struct quire_pack* pack, quire_node symlink, void* buffer, size_t capacity,
                                 struct quire_error* error);

/* Bytes of a sample, compared with their sums, as pread(2): how many there were, fewer than `capacity` only where the
 * sample ends. What stands in the buffer after an error is undefined. */
QUIRE_API int64_t quire_read(struct quire_pack* pack, quire_node node, uint64_t offset, void* buffer, size_t capacity,
                             struct quire_error* error);

/* Carries out all of `requests`, many at once and in the order in which their bytes lie, and returns when all are done.
 * Each has a result of its own: one that fails harms no other. 0, or the first negative result, of which `error` tells.
 * At most 16,777,216 at a time. The buffers must not overlap. */
QUIRE_API int quire_read_batch(struct quire_pack* pack, struct quire_request* requests, size_t count,
                               struct quire_error* error);

/* Begins to bring samples to the cache, which a thread goes on with when this has returned; what the cache has no room
 * for it does not keep. How many of `nodes` were taken, from the first on: fewer where 1,048,576 wait already. What is
 * wrong with a sample its read tells. */
QUIRE_API int64_t quire_prefetch(struct quire_pack* pack, const quire_node* nodes, size_t count,
                                 struct quire_error* error);

/* NOLINTEND(readability-identifier-naming,modernize-use-using) */

#ifdef __cplusplus
}
#endif

#endif
