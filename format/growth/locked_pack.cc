// SPDX-License-Identifier: Apache-2.0
#include "format/growth/locked_pack.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
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

// What stood in the slot that is not that of the newest generation, before a commit began to overwrite it.
Result<std::array<std::byte, kSuperblockBytes>> ReadFormerSlot(const Pack& pack) {
  const IndexLayer& newest = pack.index().layers().newest();
  if (!newest.superblock.has_layers_below()) return std::array<std::byte, kSuperblockBytes>{};
  const auto record = newest.blocks->Touch(newest.OffsetOf(Section::kLayers, 0), kLayerBytes);
  if (!record) return std::unexpected(record.error());
  return SlotOf(record->first<kLayerBytes>());
}

// The next commit overwrites the other slot: a damaged one is mended by it. But the newest generation may have been
// there, whole, and then nothing must be lost of it.
Result<void> CheckOtherSlot(const File& file, const Pack& pack) {
  if (!pack.slot_damage() || pack.trailing_bytes() == 0) return {};
  std::array<std::byte, kSuperblockBytes> slot = {};
  if (auto read = file.ReadExactly(SuperblockOffset(pack.superblock().generation + 1), slot); !read) return read;
  const auto former = ReadFormerSlot(pack);
  if (!former) return std::unexpected(former.error());
  if (MayBeTorn(slot, *former)) return {};
  return Corrupt(
      "{}: {}, and may have held a newer one, which is damaged; nothing was changed. Copy the pack anew, or write what "
      "can be read with `quire pack --from {} -o NEW`",
      pack.path(), *pack.slot_damage(), pack.path());
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
  if (auto usable = CheckOtherSlot(*file, **pack); !usable) return Propagate(std::move(usable));
  return LockedPack{.file = *std::move(file), .pack = *std::move(pack)};
}

}  // namespace quire
