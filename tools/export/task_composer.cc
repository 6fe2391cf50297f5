// SPDX-License-Identifier: Apache-2.0
#include "tools/export/task_composer.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "format/coding.h"
#include "format/pack/geometry.h"
#include "format/pack/sample_content.h"

namespace quire {
namespace {

// Appends bytes whose values come later.
std::span<std::byte> Extend(std::string& bytes, size_t count) {
  const size_t before = bytes.size();
  const size_t behind = before + count;
  // Not the number that is passed: GCC 12 passes the capacity where that grows.
  bytes.resize_and_overwrite(behind, [behind](char*, size_t) { return behind; });
  return std::as_writable_bytes(std::span(bytes)).subspan(before, count);
}

}  // namespace

void ComposedTask::Clear() {
  bytes.clear();
  links.clear();
  faults.clear();
  members = sample_bytes = 0;
}

void TaskComposer::Compose(const ExportTask& task, ComposedTask& composed) const {
  composed.Clear();
  ReadAhead(task);
  if (task.is_part) {
    if (auto appended = AppendPart(task, composed.bytes, composed.sample_bytes); !appended) {
      composed.faults.push_back({.place = plan_.members[task.first].place, .error = std::move(appended).error()});
      composed.bytes.clear();
      return;
    }
    composed.members = task.is_last_part ? 1 : 0;
    return;
  }
  for (uint64_t i = task.first; i < task.first + task.count; ++i) {
    const ExportMember& member = plan_.members[i];
    const size_t begin = composed.bytes.size();
    if (auto appended = AppendMember(member, composed.bytes, composed.sample_bytes); !appended) {
      composed.bytes.resize(begin);
      composed.faults.push_back({.place = member.place, .error = std::move(appended).error()});
      continue;
    }
    ++composed.members;
    if (member.first)
      composed.links.push_back(
          {.begin = begin, .end = composed.bytes.size(), .place = member.place, .first = *member.first});
  }
}

void TaskComposer::ReadAhead(const ExportTask& task) const {
  uint16_t volume = 0;
  uint64_t begin = UINT64_MAX;
  uint64_t end = 0;
  uint64_t bytes = 0;
  for (uint64_t i = task.first; i < task.first + task.count; ++i) {
    if (plan_.members[i].first) continue;
    const auto node = index_.GetNode(plan_.members[i].place);
    if (!node || node->kind != NodeKind::kFile || node->size_bytes == 0) continue;
    const auto extent = index_.GetExtent(node->content);
    if (!extent) continue;
    if (bytes > 0 && extent->volume != volume) return;
    volume = extent->volume;
    begin = std::min(begin, extent->offset);
    end = std::max(end, extent->offset + extent->length_bytes);
    bytes += extent->length_bytes;
  }
  // Twice as much, to read samples of an archive with the headers between them.
  if (bytes == 0 || end - begin > 2 * bytes) return;
  if (const auto fd = pack_.GetVolumeFd(volume))
    posix_fadvise(*fd, static_cast<off_t>(begin), static_cast<off_t>(end - begin), POSIX_FADV_WILLNEED);
}

Result<void> TaskComposer::AppendMember(const ExportMember& member, std::string& bytes, uint64_t& sample_bytes) const {
  const auto described = DescribeMember(index_, member, style_);
  if (!described) return std::unexpected(described.error());
  AppendTarHeader(*described, style_.format, bytes);
  const uint64_t data_bytes = TarDataBytes(*described);
  if (data_bytes == 0) return {};
  sample_bytes += data_bytes;
  const auto node = GetContent(index_, member.place);
  if (!node) return std::unexpected(node.error());
  const std::vector<TarRange> whole = {{.file_offset = 0, .length_bytes = node->size_bytes}};
  if (auto appended = AppendRanges(*node, described->is_sparse ? described->data : whole, bytes); !appended)
    return appended;
  bytes.append(TarPaddingBytes(data_bytes), '\0');
  return {};
}

Result<void> TaskComposer::AppendPart(const ExportTask& task, std::string& bytes, uint64_t& sample_bytes) const {
  const ExportMember& member = plan_.members[task.first];
  const auto node = GetContent(index_, member.place);
  if (!node) return std::unexpected(node.error());
  if (task.from == 0) {
    const auto described = DescribeMember(index_, member, style_);
    if (!described) return std::unexpected(described.error());
    AppendTarHeader(*described, style_.format, bytes);
  }
  const auto keeps_holes = KeepsHoles(index_, *node, style_);
  if (!keeps_holes) return std::unexpected(keeps_holes.error());
  const auto ranges = StoredRanges(index_, *node, *keeps_holes, task.from, task.to);
  if (!ranges) return std::unexpected(ranges.error());
  for (const TarRange& range : *ranges) sample_bytes += range.length_bytes;
  if (auto appended = AppendRanges(*node, *ranges, bytes); !appended) return appended;
  // All ranges but for the one at the sample's end are whole blocks.
  const bool has_end = !ranges->empty() && ranges->back().file_offset + ranges->back().length_bytes == node->size_bytes;
  if (task.is_last_part && has_end) bytes.append(TarPaddingBytes(node->size_bytes), '\0');
  return {};
}

Result<void> TaskComposer::AppendRanges(const Node& node, const std::vector<TarRange>& ranges,
                                        std::string& bytes) const {
  for (const TarRange& range : ranges)
    if (auto read = ReadRange(node, range.file_offset, Extend(bytes, range.length_bytes)); !read) return read;
  return {};
}

Result<void> TaskComposer::ReadRange(const Node& node, uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const auto run = FindRun(index_, node, offset);
    if (!run) return std::unexpected(run.error());
    const auto here = into.first(std::min<uint64_t>(into.size(), run->length_bytes));
    into = into.subspan(here.size());
    offset += here.size();
    if (!run->extent) {
      std::ranges::fill(here, std::byte{0});
      continue;
    }
    const auto extent = index_.GetExtent(*run->extent);
    if (!extent) return std::unexpected(extent.error());
    if (here.size() == extent->length_bytes) {
      if (auto read = pack_.ReadExtent(*extent, here); !read) return read;
      continue;
    }
    const auto whole = std::make_unique_for_overwrite<std::byte[]>(extent->length_bytes);
    const std::span<std::byte> read_bytes(whole.get(), extent->length_bytes);
    if (auto read = pack_.ReadExtent(*extent, read_bytes); !read) return read;
    std::ranges::copy(read_bytes.subspan(run->extent_offset, here.size()), here.begin());
  }
  return {};
}

}  // namespace quire
