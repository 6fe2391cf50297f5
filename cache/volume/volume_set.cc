// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/volume_set.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "format/rounding.h"

namespace quire {

VolumeSet::VolumeSet(std::span<const Volume> volumes, std::span<VolumeSource* const> sources) {
  assert(!sources.empty() && volumes.size() == sources.size());
  auto row = std::make_unique<Row>();
  for (size_t i = 0; i < sources.size(); ++i) row->Add(volumes[i], *sources[i]);
  Publish(std::move(row));
}

VolumeSet::VolumeSet(const Pack& pack, VolumeSource& source) : pack_source_(&source) {
  auto row = std::make_unique<Row>();
  for (uint16_t number = 0; number < pack.volume_count(); ++number) {
    auto record = pack.index().GetVolume(number);
    const auto had = pack.CheckVolume(number);
    if (record && had)
      row->Add(*record, source);
    else
      row->AddWithout(record ? had.error() : record.error());
  }
  Publish(std::move(row));
}

Result<void> VolumeSet::Grow(const Pack& pack, const Index& later, uint64_t most_pages) {
  auto row = std::make_unique<Row>(this->row());
  for (uint64_t number = 0; number < later.volume_count(); ++number) {
    const auto volume = static_cast<uint16_t>(number);
    const auto record = later.GetVolume(volume);
    if (!record) return std::unexpected(record.error());
    if (number >= row->members.size()) {
      if (const auto had = pack.CheckVolume(volume); had)
        row->Add(*record, *pack_source_);
      else
        row->AddWithout(had.error());
      continue;
    }
    Member& member = row->members[number];
    // The rest of the last page of before is no data: a further generation begins with a page of its own.
    const uint64_t end_before = CeilDiv(member.record.data_end, kPageBytes);
    if (member.source == nullptr || CeilDiv(record->data_end, kPageBytes) <= end_before) continue;
    member.further_number = std::min(member.further_number, end_before);
    member.record.data_end = record->data_end;
    row->AddSpan(volume, end_before, record->data_end);
  }
  if (row->page_count > most_pages)
    return Unsupported("it has {} pages of 2 MiB, and there is room for {}; mount it anew", row->page_count,
                       most_pages);
  Publish(std::move(row));
  return {};
}

void VolumeSet::Publish(std::unique_ptr<const Row> row) {
  rows_.push_back(std::move(row));
  row_.store(rows_.back().get(), std::memory_order_release);
}

void VolumeSet::Row::Add(const Volume& record, VolumeSource& source) {
  has_one_source = has_one_source && (members.empty() || members.front().source == &source);
  // Pages without data have no number: nobody is to fill them.
  const uint64_t first_number = record.data_begin / kPageBytes;
  const auto volume = static_cast<uint16_t>(members.size());
  members.push_back({.record = record, .source = &source, .page_zero = page_count - first_number});
  if (record.data_begin < record.data_end) AddSpan(volume, first_number, record.data_end);
  alignment_bytes = std::max(alignment_bytes, source.alignment_bytes());
  request_bytes = std::max(request_bytes, source.request_bytes());
  depth = std::max(depth, source.depth());
}

void VolumeSet::Row::AddWithout(Error error) { members.push_back({.error = std::move(error)}); }

void VolumeSet::Row::AddSpan(uint16_t volume, uint64_t number, uint64_t data_end) {
  const uint64_t count = CeilDiv(data_end, kPageBytes) - number;
  spans.push_back({.volume = volume, .first = page_count, .count = count, .number = number, .data_end = data_end});
  page_count += count;
}

std::optional<uint64_t> VolumeSet::FindFurtherPage(const Row& row, uint16_t volume, uint64_t number) {
  for (size_t i = row.spans.size(); i-- > 0;) {
    const Span& span = row.spans[i];
    if (span.volume == volume && number >= span.number) return span.first + (number - span.number);
  }
  return std::nullopt;
}

uint32_t VolumeSet::background_depth() const {
  const Row& row = this->row();
  const bool is_there = row.has_one_source && !row.members.empty() && row.members.front().source != nullptr;
  return is_there ? row.members.front().source->background_depth() : 0;
}

VolumeSet::Page VolumeSet::At(uint64_t page) const {
  const Row& row = this->row();
  assert(page < row.page_count);
  const Span& span = *std::prev(std::ranges::upper_bound(row.spans, page, {}, &Span::first));
  const uint64_t number = span.number + (page - span.first);
  return {.volume = span.volume,
          .number = number,
          .begin = std::max(number * kPageBytes, row.members[span.volume].record.data_begin),
          .end = std::min((number + 1) * kPageBytes, span.data_end)};
}

Result<uint64_t> VolumeSet::PageOf(const Extent& extent) const {
  if (const auto page = FindPage(extent)) return *page;
  const Row& row = this->row();
  if (extent.volume >= row.members.size()) return Unsupported("volume {} is not open", extent.volume);
  return std::unexpected(*row.members[extent.volume].error);
}

void VolumeSet::Submit(VolumeRead* first) const {
  const Row& row = this->row();
  if (row.has_one_source) {
    if (first != nullptr) row.members[first->volume].source->Submit(first);
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
    row.members[volume].source->Submit(own.TakeAll());
    first = others.TakeAll();
  }
}

}  // namespace quire
