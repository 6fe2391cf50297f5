// SPDX-License-Identifier: Apache-2.0
#include "format/write/sample_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace quire {
namespace {

// Reading must not wait for a writer of what became a FIFO, and leaves no trace in atime where the owner may ask for
// that.
Result<File> OpenSample(const SourceRoot& root, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NONBLOCK;
  auto file = root.OpenBelow(path, kFlags | O_NOATIME);
  if (!file && file.error().system_errno == EPERM) return root.OpenBelow(path, kFlags);
  return file;
}

// A network file system answers fstat(2) with what its server said up to a minute ago, unless it is told to ask again.
void AskServer(const File& file) {
  struct statx unused{};
  statx(file.fd(), "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_CTIME, &unused);
}

}  // namespace

Result<void> DirectorySource::Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const {
  if (tables_.nodes[node].kind == NodeKind::kFile) {
    const auto file = Open(node);
    return file ? ReadFrom(*file, node, file_offset, into) : std::unexpected(file.error());
  }
  const auto file = OpenShared(node);
  if (!file) return std::unexpected(file.error());
  return ReadFrom(**file, node, file_offset, into);
}

Result<void> DirectorySource::ReadFrom(const File& file, NodeNumber node, uint64_t file_offset,
                                       std::span<std::byte> into) const {
  const auto got = file.ReadUpTo(file_offset, into);
  if (!got) return std::unexpected(got.error());
  if (tables_.nodes[node].kind != NodeKind::kFile) AskServer(file);
  if (auto unchanged = Compare(node, file); !unchanged) return unchanged;
  if (*got != into.size())
    return MakeError(ErrorCode::kUnreadable, "shrank while it was packed: {} bytes at {}, {} are there", into.size(),
                     file_offset, *got);
  return {};
}

Result<File> DirectorySource::Open(NodeNumber node) const {
  auto file = OpenSample(root_, tables_.PathOf(node));
  if (!file) return file;
  if (auto unchanged = Compare(node, *file); !unchanged) return Propagate(std::move(unchanged));
  return file;
}

Result<DirectorySource::SharedFile> DirectorySource::OpenShared(NodeNumber node) const {
  if (auto open = FindOpen(node)) return open;
  auto opened = Open(node);
  if (!opened) return Propagate(std::move(opened));
  auto file = std::make_shared<const File>(std::move(*opened));
  SharedFile closed;  // behind the lock
  const MutexLock lock(mutex_);
  const auto same = std::ranges::find(open_, node, &std::pair<NodeNumber, SharedFile>::first);
  if (same != open_.end()) return same->second;  // another thread was faster
  if (open_.size() >= max_open_files_) {
    closed = std::move(open_.back().second);
    open_.pop_back();
  }
  open_.emplace(open_.begin(), node, file);
  return file;
}

DirectorySource::SharedFile DirectorySource::FindOpen(NodeNumber node) const {
  const MutexLock lock(mutex_);
  const auto found = std::ranges::find(open_, node, &std::pair<NodeNumber, SharedFile>::first);
  if (found == open_.end()) return nullptr;
  std::rotate(open_.begin(), found, found + 1);
  return open_.front().second;
}

Result<void> DirectorySource::Compare(NodeNumber node, const File& file) const {
  struct stat status{};
  if (fstat(file.fd(), &status) != 0) return SystemError(errno, "fstat");
  if (!S_ISREG(status.st_mode)) return MakeError(ErrorCode::kUnreadable, "was replaced while it was packed");
  return CheckUnchanged(identities_[node], status, file);
}

}  // namespace quire
