// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/new_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

namespace quire {
std::string TemporaryName() {
  std::array<uint64_t, 2> random = {};
  // 16 bytes come whole once the system is up; a name that is taken all the same is an error of its entry.
  if (getrandom(random.data(), sizeof(random), 0) < 0) random[0] = static_cast<uint64_t>(getpid());
  return fmt::format("{}{:016x}{:016x}", kTemporaryPrefix, random[0], random[1]);
}

int RenameInFolder(const File& folder, const std::string& from, const std::string& to, bool replace) {
  const int fd = folder.fd();
  if (!replace) {
    if (renameat2(fd, from.c_str(), fd, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    // NFS does not know the flag, but has hard links.
    if (linkat(fd, from.c_str(), fd, to.c_str(), 0) == 0) return unlinkat(fd, from.c_str(), 0) == 0 ? 0 : errno;
    if (errno == EEXIST) return EEXIST;
    // Neither: look first. Only a name that another program makes in this moment is lost.
    struct stat status{};
    if (fstatat(fd, to.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
  }
  return renameat(fd, from.c_str(), fd, to.c_str()) == 0 ? 0 : errno;
}

NewFile& NewFile::operator=(NewFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(file_, other.file_);
  std::swap(temporary_, other.temporary_);
  return *this;
}

NewFile::~NewFile() {
  if (!temporary_.empty()) unlinkat(folder_->fd(), temporary_.c_str(), 0);
}

int NewFile::Link(const std::string& name) const {
  // The short way is for root, and from Linux 6.10 on for who opened the file; the errno for others is ENOENT.
  if (linkat(file_.fd(), "", folder_->fd(), name.c_str(), AT_EMPTY_PATH) == 0) return 0;
  if (errno != ENOENT) return errno;
  if (linkat(AT_FDCWD, ProcPath(file_.fd()).c_str(), folder_->fd(), name.c_str(), AT_SYMLINK_FOLLOW) == 0) return 0;
  return errno;
}

Result<void> NewFile::Name(const std::string& name, bool replace) {
  if (temporary_.empty()) {
    int failed = Link(name);
    if (failed == EEXIST && replace) {  // link(2) does not replace
      std::string temporary = TemporaryName();
      failed = Link(temporary);
      if (failed == 0) temporary_ = std::move(temporary);
    }
    if (failed != 0) return SystemError(failed, "naming the finished file");
    if (temporary_.empty()) return {};
  } else {
    // NFS and others tell of a full disk when a descriptor is closed, the first or the last.
    const int copy = dup(file_.fd());
    if (copy < 0 || close(copy) != 0) return SystemError(errno, "closing the finished file");
  }
  if (const int failed = RenameInFolder(*folder_, temporary_, name, replace); failed != 0)
    return SystemError(failed, "naming the finished file");
  temporary_.clear();
  return {};
}

// Without /proc, only root can name them.
FileMaker::FileMaker() : has_unnamed_files_(geteuid() == 0 || access("/proc/self/fd", F_OK) == 0) {}

Result<NewFile> FileMaker::Make(const std::shared_ptr<const File>& folder, unsigned mode) {
  if (has_unnamed_files_.load(std::memory_order_relaxed)) {
    const int fd = openat(folder->fd(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (fd >= 0) return NewFile(folder, File(fd), {});
    // EISDIR: a kernel that does not know O_TMPFILE.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return SystemError(errno, "making the file");
    has_unnamed_files_ = false;
  }
  std::string temporary = TemporaryName();
  const int fd = openat(folder->fd(), temporary.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return SystemError(errno, "making the file");
  return NewFile(folder, File(fd), std::move(temporary));
}

}  // namespace quire
