// SPDX-License-Identifier: Apache-2.0
// A file descriptor with an owner, and reads and writes that are complete or an error.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "format/result.h"

namespace quire {

// EINTR and EAGAIN from a file mean that something in the kernel was short for a moment. Pauses of 1, 2, 4 ... 512 ms
// give it a second; then the error is told, and the reader decides.
inline constexpr uint8_t kMaxFailedTries = 10;
constexpr bool MayPass(int error_number) { return error_number == EINTR || error_number == EAGAIN; }

// A path of the open file `fd`, wherever it lies by now, for system calls that take no descriptor. Needs /proc.
inline std::string ProcPath(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File();

  // open(2) with O_CLOEXEC; the error names `path`.
  static Result<File> Open(const std::string& path, int flags, unsigned mode = 0);

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  // Whether no name leads to it any more.
  [[nodiscard]] bool IsUnlinked() const;

  // Bytes read: less than asked for only at the end of the file. Goes on after short reads, and after what may pass.
  Result<size_t> ReadUpTo(uint64_t offset, std::span<std::byte> into) const;
  // All of `into`, or kCorrupt "truncated".
  Result<void> ReadExactly(uint64_t offset, std::span<std::byte> into) const;
  Result<void> WriteAll(uint64_t offset, std::span<const std::byte> from) const;

 private:
  int fd_ = -1;
};

}  // namespace quire
