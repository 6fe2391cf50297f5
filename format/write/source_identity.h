// SPDX-License-Identifier: Apache-2.0
// What tells one version of a file from every other, so that a sample is one file at one moment.
#pragma once

#include <sys/stat.h>

#include <compare>
#include <cstdint>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// The kernel moves ctime on each change of content, attributes and names, and lets nobody set it. It does not know of a
// write through a shared mapping before it writes the page back, nor of how far a single write(2) in flight has come.
struct SourceIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  uint64_t mtime = 0;  // see EncodeMtime
  uint64_t ctime = 0;  // likewise
  auto operator<=>(const SourceIdentity&) const = default;
};

SourceIdentity IdentityOf(const struct stat& status);

// kUnreadable, with what happened, where `now` is not what `before` was. `file`: it, or its folder. On file systems
// that number inodes anew (FAT, SMB, FUSE), the number is not compared.
Result<void> CheckUnchanged(const SourceIdentity& before, const struct stat& now, const File& file);

// Two changes within one tick of the clock that file times come from leave the same ctime. Where the last change of a
// file is that young, sleeps until a further one must show, for 20 ms at most (4 s where times are whole seconds), and
// returns true: look at the file again.
bool AwaitTellingCtime(const struct stat& status);

}  // namespace quire
