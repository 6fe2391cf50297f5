// SPDX-License-Identifier: Apache-2.0
#include "format/write/source_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

namespace quire {
namespace {

// As openat(2), without a wrapper in glibc before 2.43.
int OpenBeneath(int folder, const char* path, int flags) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return static_cast<int>(syscall(SYS_openat2, folder, path, &how, sizeof how));
}

int OpenByComponent(int root, const char* path, int flags) {
  File folder;
  const auto at = [&] { return folder.is_open() ? folder.fd() : root; };
  while (const char* const end = std::strchr(path, '/')) {
    const std::string name(path, end);
    File next(openat(at(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.is_open()) return -1;
    folder = std::move(next);
    path = end + 1;
  }
  return openat(at(), path, flags | O_NOFOLLOW);
}

}  // namespace

SourceRoot::Walk SourceRoot::ChooseWalk() {
  // Old kernels say ENOSYS, filters of container runtimes EPERM.
  return File(OpenBeneath(AT_FDCWD, ".", O_PATH | O_CLOEXEC)).is_open() ? Walk::kKernel : Walk::kByComponent;
}

Result<SourceRoot> SourceRoot::Open(const std::string& path, Walk walk) {
  auto folder = File::Open(path, O_RDONLY | O_DIRECTORY);
  if (!folder) return Propagate(std::move(folder));
  return SourceRoot(std::move(*folder), walk);
}

Result<File> SourceRoot::OpenBelow(const std::string& path, int flags) const {
  const char* const entry = path.empty() ? "." : path.c_str();
  const auto open = walk_ == Walk::kKernel ? OpenBeneath : OpenByComponent;
  File file(open(folder_.fd(), entry, flags | O_CLOEXEC));
  if (file.is_open()) return file;
  if (errno == ELOOP || errno == ENOTDIR || errno == EXDEV)
    return MakeError(ErrorCode::kUnreadable, "was replaced while it was packed, or a folder above it was");
  return SystemError(errno, "open");
}

Result<std::vector<std::string>> ListNames(const File& folder) {
  const int duplicate = openat(folder.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (duplicate < 0) return SystemError(errno, "open");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(duplicate), closedir);
  if (stream == nullptr) return SystemError(errno, "opendir");
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return SystemError(errno, "readdir");
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

}  // namespace quire
