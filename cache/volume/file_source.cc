// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/file_source.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <system_error>

#include "cache/volume/thread_file_source.h"
#include "cache/volume/uring_file_source.h"

namespace quire {
namespace {

// What direct reads of `file` must be aligned to.
Result<uint32_t> DirectAlignment(const File& file) {
#ifdef STATX_DIOALIGN
  struct statx told = {};
  if (statx(file.fd(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &told) == 0 && (told.stx_mask & STATX_DIOALIGN) != 0) {
    const uint32_t align = std::max(told.stx_dio_mem_align, told.stx_dio_offset_align);
    // The kernel says 0 for a file that it reads buffered whatever was asked for, an encrypted one for instance.
    if (told.stx_dio_offset_align == 0 || !std::has_single_bit(align) || align > kMaxDirectAlign)
      return MakeError(ErrorCode::kUnsupported, "alignment {}", align);
    return align;
  }
#endif
  return kMaxDirectAlign;
}

Result<void> ReadOnce(const File& file) {
  alignas(kMaxDirectAlign) std::array<std::byte, kMaxDirectAlign> block;
  const bool is_refused =
      pread(file.fd(), block.data(), block.size(), 0) < 0 && (errno == EINVAL || errno == EOPNOTSUPP);
  if (is_refused) return SystemError(errno, "first read");
  return {};  // or a failure of the disk, which says nothing of how it is read
}

Result<std::pair<File, uint32_t>> OpenDirect(const std::string& path) {
  auto file = File::Open(path, O_RDONLY | O_DIRECT);
  if (!file) return SystemError(file.error().system_errno, "open");
  auto align = DirectAlignment(*file);
  if (!align) return Propagate(std::move(align));
  // Some file systems accept the flag and refuse the read.
  if (auto read = ReadOnce(*file); !read) return Propagate(std::move(read));
  return std::pair(std::move(*file), *align);
}

Result<SourceFiles> OpenFiles(const VolumeFds& fds, bool direct) {
  SourceFiles files;
  for (const int fd : fds) {
    auto file = fd < 0 ? SourceFile() : SourceFile::Open(fd, direct);
    if (!file) return Propagate(std::move(file));
    files.push_back(*std::move(file));
  }
  return files;
}

}  // namespace

Result<SourceFile> SourceFile::Open(int fd, bool direct) {
  const std::string path = ProcPath(fd);
  std::string why_buffered;
  if (direct) {
    if (auto opened = OpenDirect(path); opened) {
      auto& [file, align] = *opened;
      return SourceFile(std::move(file), align, fmt::format("direct reads ({} B)", align));
    } else {
      why_buffered = fmt::format(" (O_DIRECT: {})", opened.error().message);
    }
  }
  if (auto file = File::Open(path, O_RDONLY); file) {
    // The cache knows better than the kernel what to read ahead: what is not asked for would be read for nothing.
    posix_fadvise(file->fd(), 0, 0, POSIX_FADV_RANDOM);
    return SourceFile(std::move(*file), 1, "buffered reads" + why_buffered);
  }
  File copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.is_open()) return SystemError(errno, "descriptor {}", fd);
  return SourceFile(std::move(copy), 1, "buffered reads" + why_buffered);
}

Settled SourceFile::Settle(VolumeRead& read, int64_t result) const {
  if (result < 0 && MayPass(static_cast<int>(-result)) && read.failed_tries < kMaxFailedTries)
    return {.result = std::nullopt, .pause_ms = 1U << read.failed_tries++};
  if (result < 0) return {.result = result};
  read.failed_tries = 0;
  read.got_bytes += static_cast<uint32_t>(result);
  // A direct read that ends between two blocks has met the end of the file, and the rest could not be asked for.
  const bool at_end = result == 0 || read.got_bytes % alignment_bytes_ != 0;
  if (at_end || read.got_bytes == read.bytes) return {.result = read.got_bytes};
  return {};
}

FileSource::FileSource(SourceFiles files) : files_(std::move(files)) {
  for (const SourceFile& file : files_) alignment_bytes_ = std::max(alignment_bytes_, file.alignment_bytes());
}

std::string FileSource::DescribeFiles() const {
  std::vector<std::string_view> ways;
  for (const SourceFile& file : files_)
    if (file.fd() >= 0 && std::ranges::find(ways, file.description()) == ways.end()) ways.push_back(file.description());
  return fmt::format("{}", fmt::join(ways, " and "));
}

Result<std::unique_ptr<VolumeSource>> OpenFileSource(const VolumeFds& fds, const FileSourceOptions& options) {
  std::string remark;
  if (options.io != IoKind::kThreads) {
    auto files = OpenFiles(fds, options.direct);
    if (!files) return Propagate(std::move(files));
    auto source = UringFileSource::Create(std::move(*files), options.threads, options.nice);
    if (source || options.io == IoKind::kUring) return source;
    remark = fmt::format(" (io_uring refused: {})", source.error().message);
  }
  auto files = OpenFiles(fds, options.direct);
  if (!files) return Propagate(std::move(files));
  return ThreadFileSource::Create(std::move(*files), options.threads, options.nice, std::move(remark));
}

}  // namespace quire
