// SPDX-License-Identifier: Apache-2.0
// What a mount tells of itself: the folder `.quire`, which the root does not list but finds by name, and the files in
// it, which whoever makes the mount names in a table. Each look-up of a file makes its content, under an inode of its
// own that lives until the kernel forgets it: so whoever has it open reads one moment's truth, of a size that is known,
// and the next one to open it reads the next. A named pipe is always the same, and of it nothing but the name is here
// (fs/feed/plan_pipe.h, fs/trace/trace_pipe.h).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/mutex.h"
#include "format/result.h"
#include "fs/inodes.h"
#include "fs/serve/inode_space.h"

namespace quire {

// A row of the table. Any thread may call its functions, which must not block.
struct ControlFile {
  std::string_view name;               // lives as long as the table
  std::function<std::string()> write;  // gives its content; empty: a named pipe
  mode_t mode = 0444;                  // what the kernel lets others do with it, where it looks at modes
  ino_t pipe_inode = 0;                // of a pipe, whose other end is the daemon's
  std::function<void()> looked_up = [] {};
};

// Nothing of it blocks.
class ControlFiles : public InodeSpace {
 public:
  // `for_all`: everybody who may use the mount may use the folder, and not only the user who mounted, whose it is.
  // REQUIRES: `table` is in order of the names.
  ControlFiles(std::vector<ControlFile> table, bool for_all);

  // What a look-up of kControlFolderName finds in the root.
  [[nodiscard]] InodeEntry FolderEntry() const;

  // A regular file's inode is new, and is kept until Forget was told of each time that it was given out. kSystem with
  // ENFILE when too many are kept, or contents that are too long in all. No handle of a server of NFS leads here, which
  // would look for `.quire` in the listing of the root: "." and ".." are not found.
  Result<InodeEntry> Lookup(ino_t folder, std::string_view name) override;
  void Forget(ino_t inode, uint64_t lookups) override;
  [[nodiscard]] Result<struct stat> GetStat(ino_t inode) const override;
  [[nodiscard]] Result<std::string> ReadLink(ino_t inode) const override;
  [[nodiscard]] Result<std::optional<std::span<const std::byte>>> FindXattr(ino_t inode,
                                                                            std::string_view name) const override;
  [[nodiscard]] Result<std::string> ListXattrNames(ino_t inode) const override;
  [[nodiscard]] Result<off_t> FindDataOrHole(ino_t inode, off_t offset, int whence) const override;
  Result<void> List(ino_t folder, uint64_t cookie, bool with_entries,
                    const std::function<bool(const ListedInode&)>& visit) override;
  [[nodiscard]] bool IsDirect() const override { return false; }
  void Read(fuse_req_t request, ino_t inode, size_t bytes, off_t offset) override;
  [[nodiscard]] std::string Describe(ino_t inode) const override;

  // The content of a file; null for the folder and pipes, and where there is no such inode.
  [[nodiscard]] std::shared_ptr<const std::string> GetContent(ino_t inode) const;

 private:
  struct File {
    std::shared_ptr<const std::string> content;
    mode_t mode;
    struct timespec made;
    uint64_t lookups;
  };

  Result<ino_t> Make(const ControlFile& row);
  // Null where it is none.
  [[nodiscard]] const ControlFile* FindPipe(ino_t inode) const;

  const std::vector<ControlFile> table_;
  const mode_t folder_mode_;
  const struct timespec since_;  // of the folder
  mutable Mutex mutex_;
  ino_t next_inode_ QUIRE_GUARDED_BY(mutex_);
  std::unordered_map<ino_t, File> files_ QUIRE_GUARDED_BY(mutex_);
  size_t kept_bytes_ QUIRE_GUARDED_BY(mutex_) = 0;  // of their contents
};

}  // namespace quire
