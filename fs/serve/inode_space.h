// SPDX-License-Identifier: Apache-2.0
// What gives a mount its inodes. There are two: the tree of the pack (pack_tree.h) and the control files
// (control_files.h). The bridge to libfuse (file_system.h) asks the one to which an inode belongs, and knows no kinds
// of inodes beyond that.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "format/result.h"
#include "fs/libfuse.h"

namespace quire {

// A generation never changes, and what another one changes the kernel is told (fs/follow), so it may keep all that it
// was told. 30 years, as far as every kernel can count.
inline constexpr double kForeverS = 30.0 * 365 * 24 * 3600;

// What a look-up finds. The kernel keeps the attributes for ever.
struct InodeEntry {
  struct stat status = {};  // st_ino 0: there is no such name, which the kernel remembers too
  double keep_name_s = 0;   // for how long the kernel keeps the name
};

struct ListedInode {
  std::string_view name;
  ino_t inode = 0;
  mode_t type = 0;           // S_IFMT bits; 0 where they cannot be known
  uint64_t next_cookie = 0;  // where to go on behind this entry
  // What a look-up of the name would find, where the listing is asked for it. Empty where that is not known: the kernel
  // looks up when somebody asks, and gets the error then.
  std::optional<InodeEntry> entry = {};
};

// Any thread may call. All numbers of inodes come from the kernel, which has them from here or from a server of NFS: an
// inode that does not exist is an error, never undefined.
class InodeSpace {
 public:
  InodeSpace() = default;
  InodeSpace(const InodeSpace&) = delete;
  InodeSpace& operator=(const InodeSpace&) = delete;
  virtual ~InodeSpace() = default;

  // `name` may be "." or "..", which the kernel asks for where it has nothing but a handle from a server of NFS: then
  // `folder` is any number, of a file too.
  virtual Result<InodeEntry> Lookup(ino_t folder, std::string_view name) = 0;
  // The kernel has let go of `lookups` of its look-ups of the inode.
  virtual void Forget(ino_t inode, uint64_t lookups) = 0;
  // Somebody used an inode of this space.
  virtual void NoteUse() {}

  [[nodiscard]] virtual Result<struct stat> GetStat(ino_t inode) const = 0;
  // kInvalid where it is no symbolic link.
  [[nodiscard]] virtual Result<std::string> ReadLink(ino_t inode) const = 0;
  // The value of the extended attribute, in memory of the space; empty where there is no such attribute.
  [[nodiscard]] virtual Result<std::optional<std::span<const std::byte>>> FindXattr(ino_t inode,
                                                                                    std::string_view name) const = 0;
  // The value of an attribute that is listed nowhere, of one that FindXattr does not find.
  [[nodiscard]] virtual Result<std::optional<std::string>> TellXattr(ino_t /*inode*/, std::string_view /*name*/) const {
    return std::nullopt;
  }
  // All names, each followed by a NUL, as listxattr(2) wants them.
  [[nodiscard]] virtual Result<std::string> ListXattrNames(ino_t inode) const = 0;
  // Where the next data or hole (SEEK_DATA, SEEK_HOLE) begins; negative where there is neither data nor the hole behind
  // the end.
  [[nodiscard]] virtual Result<off_t> FindDataOrHole(ino_t inode, off_t offset, int whence) const = 0;
  // Visits the entries of `folder` from `cookie` on, 0 at first, until `visit` returns false.
  virtual Result<void> List(ino_t folder, uint64_t cookie, bool with_entries,
                            const std::function<bool(const ListedInode&)>& visit) = 0;

  // Whether files are to bypass the page cache. Asked when one is opened.
  [[nodiscard]] virtual bool IsDirect() const = 0;
  // Answers the request with bytes of a file, or with an error.
  virtual void Read(fuse_req_t request, ino_t inode, size_t bytes, off_t offset) = 0;

  // "'/path'", or the inode's number where the path cannot be read: for messages.
  [[nodiscard]] virtual std::string Describe(ino_t inode) const = 0;
};

}  // namespace quire
