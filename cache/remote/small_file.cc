// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <span>
#include <utility>

#include "format/file.h"

namespace quire {

Result<std::string> ReadSmallFile(const std::string& path, const char* what, size_t most_bytes) {
  const auto file = File::Open(path, O_RDONLY | O_NONBLOCK);
  if (!file) return SystemError(file.error().system_errno, "{} '{}'", what, path);
  struct stat status = {};
  if (fstat(file->fd(), &status) != 0) return SystemError(errno, "{} '{}'", what, path);
  if (!S_ISREG(status.st_mode) || std::cmp_greater(status.st_size, most_bytes))
    return Invalid("{} '{}': give a file of at most {} bytes", what, path, most_bytes);
  std::string text(static_cast<size_t>(status.st_size), '\0');
  if (auto read = file->ReadExactly(0, std::as_writable_bytes(std::span(text))); !read)
    return MakeError(read.error().code, "{} '{}': {}", what, path, read.error().message);
  return text;
}

}  // namespace quire
