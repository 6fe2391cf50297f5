// SPDX-License-Identifier: Apache-2.0
#include "tools/map/kernel_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "format/file.h"
#include "format/rounding.h"
#include "tools/map/page_levels.h"

namespace quire {
namespace {

#ifdef SYS_cachestat
constexpr long kCachestat = SYS_cachestat;
#else
constexpr long kCachestat = 451;  // on all architectures (Linux 6.5)
#endif
// Of <linux/mman.h>, which older systems have without these.
struct CachestatRange {
  uint64_t offset;
  uint64_t bytes;
};
struct Cachestat {
  uint64_t cached;
  uint64_t dirty;
  uint64_t writeback;
  uint64_t evicted;
  uint64_t recently_evicted;
};

constexpr long kOverlayFs = 0x794c7630;  // OVERLAYFS_SUPER_MAGIC
// Pages that are asked for together first, since of most files all or nothing is cached: 1 GiB.
constexpr uint64_t kPagesAtOnce = 512;

// At least a folio: 64 KiB on some arm64 machines.
uint64_t SystemPageBytes() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

std::string_view ReasonWhyNot(int error) {
  switch (error) {
    case ENOSYS:
      return "this kernel does not tell it (cachestat(2): Linux 6.5)";
    case EPERM:
    case EACCES:
      return "the kernel tells it to root, to the file's owner and to who may write to it";
    default:
      return "the kernel does not tell it";
  }
}

std::unexpected<Error> CannotAsk(int error) {
  return std::unexpected(Error{ErrorCode::kSystem, error, std::string(ReasonWhyNot(error))});
}

// On overlayfs pages are cached of the file below: cachestat asks the one above, which has none.
bool IsOnOverlay(int fd) {
  struct statfs status = {};
  return fstatfs(fd, &status) == 0 && status.f_type == kOverlayFs;
}

// Cached folios of [offset, offset + bytes).
Result<uint64_t> CountCached(int fd, uint64_t offset, uint64_t bytes) {
  const CachestatRange range = {offset, bytes};
  Cachestat cache = {};
  if (syscall(kCachestat, fd, &range, &cache, 0) != 0) return CannotAsk(errno);
  return cache.cached * (SystemPageBytes() / kFolioBytes);
}

}  // namespace

bool MayAskMincore(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return false;
  return status.st_uid == geteuid() || faccessat(AT_FDCWD, ProcPath(fd).c_str(), W_OK, AT_EACCESS) == 0;
}

Result<std::vector<uint16_t>> AskCachestat(int fd, uint64_t bytes) {
  std::vector<uint16_t> folios(CeilDiv(bytes, kPageBytes));
  for (uint64_t first = 0; first < folios.size(); first += kPagesAtOnce) {
    const uint64_t end = std::min<uint64_t>(first + kPagesAtOnce, folios.size());
    const uint64_t end_bytes = std::min(end * kPageBytes, bytes);
    const auto together = CountCached(fd, first * kPageBytes, end_bytes - first * kPageBytes);
    if (!together) return std::unexpected(together.error());
    if (*together == 0) continue;
    for (uint64_t page = first; page < end; ++page) {
      const uint64_t page_bytes = std::min<uint64_t>(kPageBytes, bytes - page * kPageBytes);
      const auto cached = CountCached(fd, page * kPageBytes, page_bytes);
      if (!cached) return std::unexpected(cached.error());
      folios[page] = static_cast<uint16_t>(std::min<uint64_t>(*cached, kFoliosAPage));
    }
  }
  return folios;
}

Result<std::vector<uint16_t>> AskMincore(int fd, uint64_t bytes) {
  std::vector<uint16_t> folios(CeilDiv(bytes, kPageBytes));
  const uint64_t system_page_bytes = SystemPageBytes();
  std::vector<unsigned char> is_cached(kPagesAtOnce * kPageBytes / system_page_bytes);
  for (uint64_t first = 0; first < folios.size(); first += kPagesAtOnce) {
    const uint64_t begin = first * kPageBytes;
    const uint64_t mapped_bytes = std::min(kPagesAtOnce * kPageBytes, bytes - begin);
    void* const mapped = mmap(nullptr, mapped_bytes, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
    if (mapped == MAP_FAILED) return CannotAsk(errno);
    const bool is_told = mincore(mapped, mapped_bytes, is_cached.data()) == 0;
    const int error = errno;
    munmap(mapped, mapped_bytes);
    if (!is_told) return CannotAsk(error);
    for (uint64_t offset = 0; offset < mapped_bytes; offset += system_page_bytes)
      if ((is_cached[offset / system_page_bytes] & 1) != 0)
        folios[first + offset / kPageBytes] +=
            static_cast<uint16_t>(CeilDiv(std::min(system_page_bytes, mapped_bytes - offset), kFolioBytes));
  }
  return folios;
}

Result<std::vector<uint16_t>> ReadKernelPages(int fd, uint64_t bytes) {
  const bool is_on_overlay = IsOnOverlay(fd);
  if (!is_on_overlay) {
    auto told = AskCachestat(fd, bytes);
    if (told) return told;
    // Refused by a filter of system calls of a container, say.
    if (!MayAskMincore(fd)) return told;
  } else if (!MayAskMincore(fd)) {
    return CannotAsk(EPERM);
  }
  return AskMincore(fd, bytes);
}

}  // namespace quire
