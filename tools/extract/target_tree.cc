// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/target_tree.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cassert>
#include <filesystem>

#include "tools/progress.h"

namespace quire {
Result<std::shared_ptr<const File>> TargetTree::Open(NodeNumber number) {
  {
    const MutexLock lock(mutex_);
    if (const auto found = open_.find(number); found != open_.end()) return found->second;
  }
  const auto path = index_.GetPath(number);
  if (!path) return std::unexpected(path.error());
  auto folder = OpenPath(*path, O_PATH);
  if (!folder) return Propagate(std::move(folder));
  auto shared = std::make_shared<const File>(*std::move(folder));
  const MutexLock lock(mutex_);
  if (open_.size() >= max_open_) open_.clear();  // who uses one of them keeps it
  open_.emplace(number, shared);
  return shared;
}

Result<File> TargetTree::OpenPath(const std::string& path, int flags) const {
  if (path.empty()) return Walk(path, flags);
  open_how how{};
  how.flags = static_cast<uint64_t>(flags) | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const auto fd = static_cast<int>(syscall(SYS_openat2, top_.fd(), path.c_str(), &how, sizeof(how)));
  if (fd >= 0) return File(fd);
  // Kernels before 5.6 lack it, and some containers forbid it; the walk also says which folder is at fault.
  return Walk(path, flags);
}

Result<File> TargetTree::Walk(const std::string& path, int flags) const {
  File folder(openat(top_.fd(), ".", (path.empty() ? flags : O_PATH) | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return SystemError(errno, "opening the folder to write to");
  const std::filesystem::path names(path);
  std::filesystem::path walked;
  for (auto name = names.begin(); name != names.end(); ++name) {
    walked /= *name;
    const int how = std::next(name) == names.end() ? flags : O_PATH;
    const int fd = openat(folder.fd(), name->c_str(), how | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
      return SystemError(ENOTDIR, "the folder '{}'", EscapeName(walked.string()));
    if (fd < 0) return SystemError(errno, "the folder '{}'", EscapeName(walked.string()));
    folder = File(fd);
  }
  return folder;
}

Result<std::shared_ptr<const File>> FolderCursor::FolderOf(NodeNumber place) {
  assert(place > 0);
  if (folder_ != nullptr && place - first_child_ < child_count_) return folder_;
  const auto directory = index_.GetHolder(place);
  if (!directory) return std::unexpected(directory.error());
  auto folder = tree_.Open(directory->node);
  if (!folder) return folder;
  folder_ = *folder;
  first_child_ = directory->first_child;
  child_count_ = directory->child_count;
  return folder;
}

}  // namespace quire
