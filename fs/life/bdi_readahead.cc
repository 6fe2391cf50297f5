// SPDX-License-Identifier: Apache-2.0
#include "fs/life/bdi_readahead.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "format/file.h"

namespace quire {

std::string ReadAheadFile(dev_t device) {
  return fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", major(device), minor(device));
}

Result<void> SetReadAhead(dev_t device, unsigned kib) {
  const std::string path = ReadAheadFile(device);
  const File file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string text = std::to_string(kib);
  if (!file.is_open() || write(file.fd(), text.data(), text.size()) < 0) return SystemError(errno, "{}", path);
  return {};
}

}  // namespace quire
