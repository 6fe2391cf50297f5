// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/volume_set.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "format/rounding.h"

namespace quire {

VolumeSet::VolumeSet(std::span<const Volume> volumes, std::span<VolumeSource* const> sources) {
  assert(!sources.empty() && volumes.size() == sources.size());
  for (size_t i = 0; i < sources.size(); ++i) Add(volumes[i], *sources[i]);
}

VolumeSet::VolumeSet(const Pack& pack, VolumeSource& source) {
  for (uint16_t number = 0; number < pack.volume_count(); ++number) {
    auto record = pack.index().GetVolume(number);
    const auto had = pack.CheckVolume(number);
    if (record && had)
      Add(*record, source);
    else
      members_.push_back({.first_page = page_count_, .error = record ? had.error() : record.error()});
  }
}

void VolumeSet::Add(const Volume& record, VolumeSource& source) {
  has_one_source_ = has_one_source_ && (members_.empty() || members_.front().source == &source);
  // Pages without data have no number: nobody is to fill them.
  const uint64_t first_number = record.data_begin / kPageBytes;
  members_.push_back(
      {.record = record, .source = &source, .first_page = page_count_, .page_zero = page_count_ - first_number});
  if (record.data_begin < record.data_end) page_count_ += CeilDiv(record.data_end, kPageBytes) - first_number;
  alignment_bytes_ = std::max(alignment_bytes_, source.alignment_bytes());
  request_bytes_ = std::max(request_bytes_, source.request_bytes());
  depth_ = std::max(depth_, source.depth());
}

VolumeSet::Span VolumeSet::SpanOf(uint16_t volume) const {
  const Member& member = members_[volume];
  const uint64_t end = volume + size_t{1} < members_.size() ? members_[volume + size_t{1}].first_page : page_count_;
  return {.first = member.first_page,
          .count = end - member.first_page,
          .number = member.source == nullptr ? 0 : member.first_page - member.page_zero};
}

uint32_t VolumeSet::background_depth() const {
  const bool is_there = has_one_source_ && !members_.empty() && members_.front().source != nullptr;
  return is_there ? members_.front().source->background_depth() : 0;
}

VolumeSet::Page VolumeSet::At(uint64_t page) const {
  assert(page < page_count_);
  const auto behind = std::ranges::upper_bound(members_, page, {}, &Member::first_page);
  const Member& member = *std::prev(behind);
  const uint64_t number = page - member.page_zero;
  return {.volume = static_cast<uint16_t>(&member - members_.data()),
          .number = number,
          .begin = std::max(number * kPageBytes, member.record.data_begin),
          .end = std::min((number + 1) * kPageBytes, member.record.data_end)};
}

Result<uint64_t> VolumeSet::PageOf(const Extent& extent) const {
  if (const auto page = FindPage(extent)) return *page;
  if (extent.volume >= members_.size()) return Unsupported("volume {} is not open", extent.volume);
  return std::unexpected(*members_[extent.volume].error);
}

void VolumeSet::Submit(VolumeRead* first) const {
  if (has_one_source_) {
    if (first != nullptr) members_[first->volume].source->Submit(first);
    return;
  }
  while (first != nullptr) {
    // One list for each source, the first one's first.
    const uint16_t volume = first->volume;
    ReadQueue own;
    ReadQueue others;
    while (first != nullptr) {
      VolumeRead& read = *std::exchange(first, first->next);
      (read.volume == volume ? own : others).Push(read);
    }
    members_[volume].source->Submit(own.TakeAll());
    first = others.TakeAll();
  }
}

}  // namespace quire
