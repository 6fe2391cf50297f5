// SPDX-License-Identifier: Apache-2.0
#include "format/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace quire {

File::~File() {
  if (fd_ >= 0) close(fd_);
}

Result<File> File::Open(const std::string& path, int flags, unsigned mode) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return SystemError(errno, "{}", path);
  return File(fd);
}

bool File::IsUnlinked() const {
  struct stat status = {};
  return fstat(fd_, &status) == 0 && status.st_nlink == 0;
}

Result<size_t> File::ReadUpTo(uint64_t offset, std::span<std::byte> into) const {
  size_t done = 0;
  uint8_t failed_tries = 0;  // one after the other
  while (done < into.size()) {
    const ssize_t got = pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got == 0) break;
    if (got < 0 && MayPass(errno) && failed_tries < kMaxFailedTries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1U << failed_tries++));
      continue;
    }
    if (got < 0) return SystemError(errno, "read of {} bytes at {}", into.size(), offset);
    failed_tries = 0;
    done += static_cast<size_t>(got);
  }
  return done;
}

Result<void> File::ReadExactly(uint64_t offset, std::span<std::byte> into) const {
  auto got = ReadUpTo(offset, into);
  if (!got) return Propagate(std::move(got));
  if (*got != into.size()) return Corrupt("truncated: {} bytes at {}, {} are there", into.size(), offset, *got);
  return {};
}

Result<void> File::WriteAll(uint64_t offset, std::span<const std::byte> from) const {
  size_t done = 0;
  while (done < from.size()) {
    const ssize_t put = pwrite(fd_, from.data() + done, from.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError(errno, "write of {} bytes at {}", from.size(), offset);
    done += static_cast<size_t>(put);
  }
  return {};
}

}  // namespace quire
