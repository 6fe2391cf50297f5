// SPDX-License-Identifier: Apache-2.0
#include "format/growth/locked_pack.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace quire {
namespace {

// A lock of the open file: it dies with its descriptor, whatever else this process opens and closes, and NFS has it.
Result<void> Lock(const File& file, const std::string& path) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(file.fd(), F_OFD_SETLK, &lock) == 0) return {};
  if (errno == EAGAIN || errno == EACCES)
    return std::unexpected(Error{ErrorCode::kSystem, EWOULDBLOCK,
                                 fmt::format("{}: another process adds to it or removes from it; wait until it has "
                                             "ended, and try again",
                                             path)});
  return SystemError(errno, "{}: locking it, as a writer must", path);
}

Result<void> CheckIsFile(const File& file, const std::string& path, struct stat& status) {
  if (fstat(file.fd(), &status) != 0) return SystemError(errno, "{}", path);
  if (S_ISREG(status.st_mode)) return {};
  return Unsupported("{}: is no regular file, and cannot grow; grow the file that was written there", path);
}

}  // namespace

Result<LockedPack> OpenLocked(const std::string& path) {
  struct stat before{};
  if (stat(path.c_str(), &before) != 0) return SystemError(errno, "{}", path);
  if (S_ISFIFO(before.st_mode)) return Corrupt("{}: is a FIFO, not a pack", path);
  auto file = File::Open(path, O_RDWR | O_NONBLOCK);
  if (!file) return Propagate(std::move(file));
  struct stat own{};
  if (auto is_file = CheckIsFile(*file, path, own); !is_file) return Propagate(std::move(is_file));
  if (auto locked = Lock(*file, path); !locked) return Propagate(std::move(locked));
  // Only now: the generation that a writer before has committed is the newest.
  auto pack = Pack::Open(path);
  if (!pack) return Propagate(std::move(pack));
  struct stat opened{};
  const auto fd = (*pack)->GetVolumeFd(0);
  if (!fd || fstat(*fd, &opened) != 0 || opened.st_dev != own.st_dev || opened.st_ino != own.st_ino)
    return SystemError(ESTALE, "{}: was replaced meanwhile; try again", path);
  return LockedPack{.file = *std::move(file), .pack = *std::move(pack)};
}

}  // namespace quire
