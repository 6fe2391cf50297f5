// SPDX-License-Identifier: Apache-2.0
#include "tools/diff/entry_comparison.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

#include "format/coding.h"
#include "format/pack/sample_content.h"
#include "format/per_thread.h"

namespace quire {
namespace {

NodeKind KindOf(const Node& node) { return node.is_sample() ? NodeKind::kFile : node.kind; }

// Empty where no pack holds such an entry.
std::optional<NodeKind> KindOf(const struct stat& status) {
  if (S_ISREG(status.st_mode)) return NodeKind::kFile;
  if (S_ISDIR(status.st_mode)) return NodeKind::kDirectory;
  if (S_ISLNK(status.st_mode)) return NodeKind::kSymlink;
  return std::nullopt;
}

Result<Xattrs> XattrsOf(const Index& index, const Attributes& attributes) {
  Xattrs xattrs;
  auto read = index.ForEachXattr(attributes, [&xattrs](const Xattr& xattr) {
    xattrs.emplace(xattr.name, AsText(xattr.value));
    return true;
  });
  if (!read) return Propagate(std::move(read));
  return xattrs;
}

// "user.a, user.b": the names that only one has, or whose values differ.
std::string DifferingNames(const Xattrs& a, const Xattrs& b) {
  std::vector<std::pair<std::string, std::string>> differing;
  std::ranges::set_symmetric_difference(a, b, std::back_inserter(differing));
  std::string names;
  for (size_t i = 0; i < differing.size(); ++i)  // sorted: a name with two values is there twice
    if (i == 0 || differing[i].first != differing[i - 1].first)
      names += (names.empty() ? "" : ", ") + differing[i].first;
  return names;
}

// A page of memory for each thread that compares.
std::span<std::byte> Buffer() {
  static PerThread<FixedBuffer<kPageBytes>> buffers;
  return buffers.Get().span();
}

// The first byte in [begin, end) of `file` that is not zero. Holes of the file are not read.
Result<std::optional<uint64_t>> FindNonZero(const File& file, uint64_t begin, uint64_t end) {
  for (uint64_t at = begin; at < end;) {
    const off_t data = lseek(file.fd(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) return SystemError(errno, "lseek");
    at = static_cast<uint64_t>(data);
    if (at >= end) break;
    const auto into = Buffer().first(std::min(end - at, kPageBytes));
    const auto got = file.ReadUpTo(at, into);
    if (!got) return std::unexpected(got.error());
    const auto found = std::ranges::find_if(into.first(*got), [](std::byte byte) { return byte != std::byte{0}; });
    if (const auto zeros = static_cast<uint64_t>(found - into.begin()); zeros < into.size()) return at + zeros;
    at += into.size();
  }
  return std::nullopt;
}

}  // namespace

Result<EntryComparer::Outcome> EntryComparer::Compare(const PackEntry& entry, const File& folder) const {
  const std::string name = entry.name.empty() ? "." : std::string(entry.name);
  Outcome outcome;
  if (fstatat(folder.fd(), name.c_str(), &outcome.status, AT_SYMLINK_NOFOLLOW) != 0) return SystemError(errno, "stat");
  const NodeKind kind = KindOf(entry.node);
  if (const auto other = KindOf(outcome.status); other != kind) {
    outcome.what.push_back({kTypeAspect, fmt::format("{}, now {}", KindName(kind),
                                                     other ? KindName(*other) : "a device, socket or FIFO")});
    return outcome;
  }
  const auto attributes = index_.GetAttributes(entry.node.attributes);
  if (!attributes) return std::unexpected(attributes.error());
  outcome.attributes = *attributes;
  Result<void> compared;
  if (kind == NodeKind::kSymlink) {
    CompareStatus(entry, outcome);
    compared = CompareTarget(entry, folder, outcome);
  } else {
    SourceAttributes now;
    if (Compares(kXattrsAspect) || (outcome.status.st_mode & 07777U) != attributes->mode) {
      auto read = ReadSourceAttributes(ProcPath(folder.fd()) + "/" + name);
      if (!read) return Propagate(std::move(read));
      now = std::move(*read);
    }
    // An entry with an access list is packed with the mode by which nobody may do more than by the list.
    outcome.status.st_mode &= ~0777U | now.most_access.value_or(0777);
    CompareStatus(entry, outcome);
    compared = CompareXattrs(now.xattrs, outcome);
    if (compared && kind == NodeKind::kFile) compared = CompareContent(entry, folder, outcome);
  }
  return compared ? Result<Outcome>(std::move(outcome)) : Propagate(std::move(compared));
}

void EntryComparer::CompareStatus(const PackEntry& entry, Outcome& outcome) const {
  const struct stat& status = outcome.status;
  const auto add = [&](std::string_view aspect, std::string text) {
    if (Compares(aspect)) outcome.what.push_back({aspect, std::move(text)});
  };
  const auto size = static_cast<uint64_t>(status.st_size);
  if (entry.node.is_sample() && entry.node.size_bytes != size)
    add(kSizeAspect, fmt::format("{}, now {}", entry.node.size_bytes, size));
  const uint32_t mode = status.st_mode & 07777U;
  if (entry.node.kind != NodeKind::kSymlink && outcome.attributes.mode != mode)
    add(kModeAspect, fmt::format("{:04o}, now {:04o}", outcome.attributes.mode, mode));
  if (outcome.attributes.uid != status.st_uid || outcome.attributes.gid != status.st_gid)
    add(kOwnerAspect,
        fmt::format("{}:{}, now {}:{}", outcome.attributes.uid, outcome.attributes.gid, status.st_uid, status.st_gid));
  if (entry.node.mtime != EncodeMtime(status.st_mtim))
    add(kMtimeAspect, fmt::format("{}, now {}", FormatTime(DecodeMtime(entry.node.mtime)), FormatTime(status.st_mtim)));
}

Result<void> EntryComparer::CompareTarget(const PackEntry& entry, const File& folder, Outcome& outcome) const {
  const auto target = index_.GetTarget(entry.node);
  if (!target) return std::unexpected(target.error());
  std::array<char, PATH_MAX> now = {};
  const ssize_t bytes = readlinkat(folder.fd(), std::string(entry.name).c_str(), now.data(), now.size());
  if (bytes < 0) return SystemError(errno, "readlink");
  const std::string_view target_now(now.data(), static_cast<size_t>(bytes));
  if (*target != target_now && Compares(kTargetAspect))
    outcome.what.push_back({kTargetAspect, fmt::format("'{}', now '{}'", *target, target_now)});
  return {};
}

Result<void> EntryComparer::CompareXattrs(const Xattrs& now, Outcome& outcome) const {
  if (!Compares(kXattrsAspect)) return {};
  const auto packed = XattrsOf(index_, outcome.attributes);
  if (!packed) return std::unexpected(packed.error());
  if (*packed != now) outcome.what.push_back({kXattrsAspect, DifferingNames(*packed, now)});
  return {};
}

Result<void> EntryComparer::CompareContent(const PackEntry& entry, const File& folder, Outcome& outcome) const {
  if (!Compares(kContentAspect) || entry.node.size_bytes != static_cast<uint64_t>(outcome.status.st_size)) return {};
  // What was a file a moment ago may be a FIFO now, which would wait.
  const File file(openat(folder.fd(), std::string(entry.name).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return SystemError(errno, "open");
  const auto differs_at = FindDifference(entry.node, file);
  if (!differs_at) return std::unexpected(differs_at.error());
  if (*differs_at) outcome.what.push_back({kContentAspect, fmt::format("from byte {} on", **differs_at)});
  return {};
}

Result<std::optional<uint64_t>> EntryComparer::FindDifference(const Node& node, const File& file) const {
  for (uint64_t at = 0; at < node.size_bytes;) {
    const auto run = FindRun(index_, node, at);
    if (!run) return std::unexpected(run.error());
    if (!run->extent) {
      auto found = FindNonZero(file, at, at + run->length_bytes);
      if (!found || *found) return found;
      at += run->length_bytes;
      continue;
    }
    // The file first: what was read of the pack is held while it is compared, and no longer.
    const auto into = Buffer().first(run->length_bytes);
    const auto got = file.ReadUpTo(at, into);
    if (!got) return std::unexpected(got.error());
    const auto bytes = reader_.Read(node, at, run->length_bytes);
    if (!bytes) return std::unexpected(bytes.error());
    size_t compared = 0;
    for (const std::span<const std::byte> slice : bytes->slices()) {
      const auto now = into.first(*got).subspan(std::min(compared, *got));
      if (now.size() < slice.size() || std::memcmp(slice.data(), now.data(), slice.size()) != 0)
        return at + compared + static_cast<uint64_t>(std::ranges::mismatch(slice, now).in1 - slice.begin());
      compared += slice.size();
    }
    at += run->length_bytes;
  }
  return std::nullopt;
}

}  // namespace quire
