// SPDX-License-Identifier: Apache-2.0
// Volumes that are local files: io_uring where the kernel permits it, else a pool of threads; O_DIRECT where the file
// system permits it, else buffered reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache_options.h"
#include "cache/volume/volume_source.h"
#include "format/file.h"
#include "format/pack/volume_files.h"
#include "format/result.h"

namespace quire {

// A file's request_bytes(): 256 KiB keep a disk at its full rate with few requests, and eight of them are a page.
inline constexpr uint32_t kFileRequestBytes = 256 << 10;
// Its depth(): 2 MiB, which keep a drive of 4 GB/s busy for half a millisecond. A read that a reader waits for finds at
// most so much before itself: with 16 in flight p99 of one reader of a shuffled epoch was 2.4 ms, with 8 it was 1.2 ms,
// and the epoch took as long. PageFills sends fewer where fewer keep the volume busy.
inline constexpr uint32_t kFileDepth = 8;

// Of the threads that answer readers: before those that push samples (-10), which keep a core for a millisecond where
// nothing goes first. Cold shuffled epochs of images, 2 cores, medians of three rounds: with -15 two readers came to
// 13.2k files/s with p99 1.5 ms, with 0 to 11.6k and 2.3 ms.
inline constexpr int kFillNice = -15;

struct FileSourceOptions {
  IoKind io = IoKind::kAuto;
  bool direct = true;    // try O_DIRECT; false reads through the kernel's page cache
  unsigned threads = 0;  // 0: io_uring takes one for four cores, 1 to 4; the pool takes 16
  int nice = 0;          // of the threads; below 0 where this process may
};

// Opens the file behind each of `fds` anew (through /proc/self/fd, so that a pack renamed or replaced meanwhile stays
// the one that was opened), probes what is permitted and starts the source's threads, which block all signals. Never an
// error for IoKind::kAuto but where threads cannot be started or a descriptor is not open; kUring alone fails with the
// kernel's reason where io_uring is refused. A read of a volume that cannot be had ends with -EBADF.
Result<std::unique_ptr<VolumeSource>> OpenFileSource(const VolumeFds& fds, const FileSourceOptions& options);

// The alignment of direct reads where the kernel does not tell (before Linux 6.1), and the largest that is accepted.
inline constexpr uint32_t kMaxDirectAlign = 4096;

// What comes after an attempt to read.
struct Settled {
  std::optional<int64_t> result;  // what `done` is to be told; without it, a further attempt is due
  unsigned pause_ms = 0;          // before that attempt, which is at read.offset + read.got_bytes
};

// An open file, and what one attempt to read it means.
class SourceFile {
 public:
  // No file: reads of it end with -EBADF.
  SourceFile() = default;
  // Opens the file behind `fd` through /proc/self/fd, so that direct reads and advice concern no other user of `fd`;
  // where that is refused (no /proc, no permission), duplicates `fd` and reads buffered.
  static Result<SourceFile> Open(int fd, bool direct);

  [[nodiscard]] int fd() const { return file_.fd(); }
  [[nodiscard]] uint32_t alignment_bytes() const { return alignment_bytes_; }
  // "direct reads (512 B)", "buffered reads (O_DIRECT: Invalid argument)".
  [[nodiscard]] const std::string& description() const { return description_; }

  // Takes in what one attempt to read the rest of `read` gave: bytes, or a negative errno.
  [[nodiscard]] Settled Settle(VolumeRead& read, int64_t result) const;

 private:
  SourceFile(File file, uint32_t alignment_bytes, std::string description)
      : file_(std::move(file)), alignment_bytes_(alignment_bytes), description_(std::move(description)) {}

  File file_;
  uint32_t alignment_bytes_ = 1;
  std::string description_;
};

using SourceFiles = std::vector<SourceFile>;

// What all sources of local files have in common.
class FileSource : public VolumeSource {
 public:
  [[nodiscard]] uint32_t request_bytes() const final { return kFileRequestBytes; }
  [[nodiscard]] uint32_t depth() const final { return kFileDepth; }
  [[nodiscard]] uint32_t alignment_bytes() const final { return alignment_bytes_; }

 protected:
  explicit FileSource(SourceFiles files);

  // REQUIRES: `read` is of one of the volumes.
  [[nodiscard]] const SourceFile& FileOf(const VolumeRead& read) const { return files_[read.volume]; }
  // How the files are read, each way once.
  [[nodiscard]] std::string DescribeFiles() const;

  const SourceFiles files_;  // by volume

 private:
  uint32_t alignment_bytes_ = 1;
};

}  // namespace quire
