// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/stores/sample_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tools/progress.h"

namespace quire::bench {

Result<SampleFiles> SampleFiles::Open(const std::string& root) {
  auto directory = File::Open(root, O_RDONLY | O_DIRECTORY);
  if (!directory) return Propagate(std::move(directory));
  return SampleFiles(std::move(*directory));
}

Result<uint64_t> SampleFiles::Size(const std::string& path) const {
  struct stat status{};
  if (fstatat(root_.fd(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return SystemError(errno, "{}", EscapeName(path));
  return static_cast<uint64_t>(status.st_size);
}

Result<std::span<const std::byte>> SampleFiles::Read(const std::string& path, ReadBuffer& buffer) const {
  // Not blocking: what was a file when it was listed may be a FIFO by now.
  const File file(openat(root_.fd(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open()) return SystemError(errno, "{}", EscapeName(path));
  struct stat status{};
  if (fstat(file.fd(), &status) != 0) return SystemError(errno, "{}", EscapeName(path));
  if (!S_ISREG(status.st_mode)) return MakeError(ErrorCode::kUnreadable, "{}: no longer a file", EscapeName(path));
  const std::span<std::byte> bytes = buffer.Take(static_cast<size_t>(status.st_size));
  if (const auto read = file.ReadExactly(0, bytes); !read)
    return MakeError(ErrorCode::kUnreadable, "{}: {}", EscapeName(path), read.error().message);
  return bytes;
}

}  // namespace quire::bench
