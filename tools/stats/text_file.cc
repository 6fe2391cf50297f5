// SPDX-License-Identifier: Apache-2.0
#include "tools/stats/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <span>

#include "format/file.h"

namespace quire {
namespace {

constexpr mode_t kForAll = 0644;

}  // namespace

Result<void> ReplaceTextFile(const std::string& folder, const std::string& name, std::string_view content) {
  const std::string path = fmt::format("{}/{}", folder, name);
  const File above(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!above.is_open()) return SystemError(errno, "folder '{}'", folder);
  const std::string temporary = fmt::format(".{}.{}", name, getpid());
  unlinkat(above.fd(), temporary.c_str(), 0);  // of a process of that number that was killed
  const File file(openat(above.fd(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kForAll));
  if (!file.is_open()) return SystemError(errno, "'{}'", path);
  const auto give_up = [&](int number) {
    unlinkat(above.fd(), temporary.c_str(), 0);
    return SystemError(number, "'{}'", path);
  };
  if (auto written = file.WriteAll(0, std::as_bytes(std::span(content))); !written)
    return give_up(written.error().system_errno);
  if (fchmod(file.fd(), kForAll) != 0) return give_up(errno);  // whatever the umask
  if (renameat(above.fd(), temporary.c_str(), above.fd(), name.c_str()) != 0) return give_up(errno);
  return {};
}

}  // namespace quire
