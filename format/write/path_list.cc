// SPDX-License-Identifier: Apache-2.0
#include "format/write/path_list.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "format/file.h"

namespace quire {

Result<std::string> ReadList(const std::string& path) {
  File file;
  if (path != "-") {
    auto opened = File::Open(path, O_RDONLY);
    if (!opened) return Propagate(std::move(opened));
    file = std::move(*opened);
  }
  std::string text;
  std::array<char, 64 << 10> buffer;
  while (true) {
    const ssize_t bytes = read(file.is_open() ? file.fd() : STDIN_FILENO, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return SystemError(errno, "{}", path);
    if (bytes == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(bytes));
  }
}

std::vector<std::string_view> SplitList(std::string_view text, bool nul_separated) {
  const char separator = nul_separated || text.contains('\0') ? '\0' : '\n';
  std::vector<std::string_view> entries;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    entries.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const auto ends_in_cr = [](std::string_view entry) { return entry.ends_with('\r'); };
  // A name may end in CR; that all names of a list do is the doing of an editor.
  if (separator == '\n' && std::ranges::all_of(entries, ends_in_cr))
    for (std::string_view& entry : entries) entry.remove_suffix(1);
  return entries;
}

}  // namespace quire
