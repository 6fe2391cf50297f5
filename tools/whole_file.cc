// SPDX-License-Identifier: Apache-2.0
#include "tools/whole_file.h"

#include <fcntl.h>

#include <span>

#include "format/file.h"

namespace quire {

Result<void> WriteWholeFile(const std::string& path, std::string_view content) {
  const auto file = File::Open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (!file) return std::unexpected(file.error());
  return file->WriteAll(0, std::as_bytes(std::span(content)));
}

}  // namespace quire
