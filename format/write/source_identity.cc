// SPDX-License-Identifier: Apache-2.0
#include "format/write/source_identity.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <chrono>
#include <ctime>
#include <thread>

#include "format/pack/records.h"

namespace quire {
namespace {

constexpr uint64_t kTickNs = 10'000'000;             // of kernels with 100 ticks a second; also exFAT's unit
constexpr uint64_t kWholeSecondsNs = 2'000'000'000;  // FAT's unit; ext4 with inodes of 128 bytes has 1 s

// These forget the number of a file together with the file, and give the next number when they meet it again.
bool RenumbersInodes(const File& file) {
  struct statfs system{};
  if (fstatfs(file.fd(), &system) != 0) return false;
  const auto type = static_cast<uint32_t>(system.f_type);
  return type == MSDOS_SUPER_MAGIC || type == EXFAT_SUPER_MAGIC || type == FUSE_SUPER_MAGIC ||
         type == SMB2_SUPER_MAGIC || type == CIFS_SUPER_MAGIC;
}

// What the kernel stamps changes with.
uint64_t FileClock() {
  timespec clock{};
  clock_gettime(CLOCK_REALTIME_COARSE, &clock);
  return EncodeMtime(clock);
}

}  // namespace

SourceIdentity IdentityOf(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size_bytes = static_cast<uint64_t>(status.st_size),
          .mtime = EncodeMtime(status.st_mtim),
          .ctime = EncodeMtime(status.st_ctim)};
}

Result<void> CheckUnchanged(const SourceIdentity& before, const struct stat& now, const File& file) {
  const SourceIdentity after = IdentityOf(now);
  if (after == before) return {};
  if (after.device != before.device || (after.inode != before.inode && !RenumbersInodes(file)))
    return MakeError(ErrorCode::kUnreadable, "was replaced while it was packed");
  if (after.size_bytes != before.size_bytes)
    return MakeError(ErrorCode::kUnreadable, "changed while it was packed: {} bytes, then {}", before.size_bytes,
                     after.size_bytes);
  if (after.mtime != before.mtime)
    return MakeError(ErrorCode::kUnreadable, "changed while it was packed: its mtime moved");
  if (after.ctime != before.ctime)
    return MakeError(ErrorCode::kUnreadable,
                     "changed while it was packed: its ctime moved, by a change of content, attributes or names");
  return {};
}

bool AwaitTellingCtime(const struct stat& status) {
  const uint64_t unit = status.st_ctim.tv_nsec == 0 ? kWholeSecondsNs : kTickNs;
  const uint64_t telling = EncodeMtime(status.st_ctim) + unit;
  bool waited = false;
  // A ctime further ahead is of another clock than ours.
  for (uint64_t now = FileClock(); now < telling && telling - now <= 2 * unit; now = FileClock()) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(telling - now));
    waited = true;
  }
  return waited;
}

}  // namespace quire
