#include "format/sample_source.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace quire {
namespace {

// Reading must not wait for a writer of what became a FIFO, and leaves no trace in atime where the owner may ask for
// that.
Result<File> OpenSample(const File& root, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  int fd = openat(root.fd(), path.c_str(), kFlags | O_NOATIME);
  if (fd < 0 && errno == EPERM) fd = openat(root.fd(), path.c_str(), kFlags);
  if (fd < 0) return SystemError(errno, "open");
  return File(fd);
}

Result<void> CheckUnchanged(const File& file, const Node& node) {
  struct stat status{};
  if (fstat(file.fd(), &status) != 0) return SystemError(errno, "fstat");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode)) return MakeError(ErrorCode::kUnreadable, "was replaced while it was packed");
  if (size != node.size_bytes)
    return MakeError(ErrorCode::kUnreadable, "changed while it was packed: {} bytes, then {}", node.size_bytes, size);
  if (EncodeMtime(status.st_mtim) != node.mtime)
    return MakeError(ErrorCode::kUnreadable, "changed while it was packed: its mtime moved");
  return {};
}

}  // namespace

Result<std::unique_ptr<DirectorySource>> DirectorySource::Open(const std::string& root, const IndexTables& tables) {
  auto folder = File::Open(root, O_RDONLY | O_DIRECTORY);
  if (!folder) return Propagate(std::move(folder));
  return std::unique_ptr<DirectorySource>(new DirectorySource(std::move(*folder), tables));
}

Result<void> DirectorySource::Read(NodeNumber number, uint64_t file_offset, std::span<std::byte> into) const {
  const Node& node = tables_.nodes[number];
  const auto file = OpenSample(root_, tables_.PathOf(number));
  if (!file) return std::unexpected(file.error());
  if (auto unchanged = CheckUnchanged(*file, node); !unchanged) return unchanged;
  const auto got = file->ReadUpTo(file_offset, into);
  if (!got) return std::unexpected(got.error());
  if (*got != into.size())
    return MakeError(ErrorCode::kUnreadable, "shrank while it was packed: {} bytes at {}, {} are there", into.size(),
                     file_offset, *got);
  return CheckUnchanged(*file, node);
}

}  // namespace quire
