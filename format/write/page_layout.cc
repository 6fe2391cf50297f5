// SPDX-License-Identifier: Apache-2.0
#include "format/write/page_layout.h"

#include <algorithm>

#include "format/rounding.h"

namespace quire {
namespace {

// How many runs ahead a gap may be filled from. More fills better and moves samples further from their place in the
// order: 256 samples of 110 KB are 14 pages.
constexpr size_t kLookaheadRuns = 256;
// A gap of so much that nothing ahead fits into is filled with the front of the next sample, which is cut there:
// samples of one size, arrays or frames, would leave a gap in each page (600 KB: 14 % of all, 1.1 MB: 48 %). A cut
// costs 72 bytes of index and a second page to read, so small gaps stay.
constexpr uint64_t kLeastCutBytes = 64 << 10;
// A page of a kernel's page cache. One in which a cut lies would never be whole before both sides of the cut are there.
constexpr uint64_t kCutAlign = 4096;

std::unexpected<Error> TooLarge() {
  return Unsupported("more than {} bytes of samples, which a pack holds", kMaxVolumeBytes);
}

}  // namespace

Result<void> PageLayout::Add(NodeNumber number, std::span<const DataRange> ranges) {
  Node& node = tables_.nodes[number];
  if (node.kind == NodeKind::kFile) {
    node.content = 0;
    if (node.size_bytes == 0) return {};
    return Push({.node = number, .file_offset = 0, .length_bytes = node.size_bytes, .segment = std::nullopt});
  }
  // Each range of data becomes a segment of whole pages and one of its tail.
  std::vector<DataRange> parts;
  for (const DataRange& range : ranges) {
    const uint64_t whole = AlignDown(range.length_bytes, kPageBytes);
    if (whole > 0) parts.push_back({.offset = range.offset, .length_bytes = whole});
    if (range.length_bytes > whole)
      parts.push_back({.offset = range.offset + whole, .length_bytes = range.length_bytes - whole});
  }
  node.content = parts.empty() ? kMaxRecords : tables_.segments.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    const uint64_t segment = tables_.segments.size();
    const Segment record{
        .file_offset = parts[i].offset, .length_bytes = parts[i].length_bytes, .following = parts.size() - 1 - i};
    if (auto added = tables_.segments.Append(record); !added) return added;
    const Run run{
        .node = number, .file_offset = parts[i].offset, .length_bytes = parts[i].length_bytes, .segment = segment};
    if (auto pushed = Push(run); !pushed) return pushed;
  }
  return {};
}

Result<uint64_t> PageLayout::Finish() {
  while (!ahead_.empty())
    if (auto placed = PlaceNext(); !placed) return Propagate(std::move(placed));
  const uint64_t end = whole_pages_.empty() ? page_ * kPageBytes + fill_bytes_ : next_page_ * kPageBytes;
  if (auto closed = ClosePage(); !closed) return Propagate(std::move(closed));
  if (end > kMaxVolumeBytes) return TooLarge();
  return std::max(end, begin_);
}

Result<void> PageLayout::Push(const Run& run) {
  const uint64_t arrival = arrivals_++;
  ahead_.emplace(arrival, run);
  if (run.length_bytes < kPageBytes) by_length_.emplace(run.length_bytes, arrival);
  if (ahead_.size() <= kLookaheadRuns) return {};
  return PlaceNext();
}

// Places the run that has waited longest, after filling the gap of the open page if it does not fit there.
Result<void> PageLayout::PlaceNext() {
  if (fill_bytes_ == 0) fill_bytes_ = page_ == begin_ / kPageBytes ? begin_ % kPageBytes : 0;
  const auto next = ahead_.begin();
  const Run run = next->second;
  if (run.length_bytes >= kPageBytes) {
    whole_pages_.emplace_back(next_page_, run);
    next_page_ += run.length_bytes / kPageBytes;
    if (next_page_ > kMaxVolumeBytes / kPageBytes) return TooLarge();
    Take(next);
    return {};
  }
  if (AlignUp(fill_bytes_, kExtentAlign) + run.length_bytes <= kPageBytes) return PlaceInPage(next);
  if (auto filled = FillGap(); !filled) return filled;
  if (auto cut = CutNext(); !cut) return cut;
  if (auto closed = ClosePage(); !closed) return closed;
  return PlaceInPage(ahead_.begin());
}

// The longest that fits, again and again.
Result<void> PageLayout::FillGap() {
  while (true) {
    const uint64_t start = AlignUp(fill_bytes_, kExtentAlign);
    if (start >= kPageBytes) return {};
    auto longer = by_length_.upper_bound({kPageBytes - start, UINT64_MAX});
    if (longer == by_length_.begin()) return {};
    // Of those equally long, the one that has waited longest.
    const auto fitting = by_length_.lower_bound({std::prev(longer)->first, 0});
    if (auto placed = PlaceInPage(ahead_.find(fitting->second)); !placed) return placed;
  }
}

// The front goes into what is left of the page, and the rest keeps its turn. What has segments already is not cut: all
// segments of one sample stand together, and others may follow its own by now.
Result<void> PageLayout::CutNext() {
  const auto next = ahead_.begin();
  Run& run = next->second;
  Node& node = tables_.nodes[run.node];
  const uint64_t start = AlignUp(fill_bytes_, kExtentAlign);
  const uint64_t front_bytes = AlignDown(kPageBytes - std::min(start, kPageBytes), kCutAlign);
  if (front_bytes < kLeastCutBytes || node.kind != NodeKind::kFile) return {};
  node.kind = NodeKind::kSegmented;
  node.content = tables_.segments.size();
  const Segment front{.file_offset = 0, .length_bytes = front_bytes, .following = 1};
  const Segment rest{.file_offset = front_bytes, .length_bytes = run.length_bytes - front_bytes, .following = 0};
  for (const Segment& segment : {front, rest})
    if (auto added = tables_.segments.Append(segment); !added) return added;
  const Run placed{.node = run.node, .file_offset = 0, .length_bytes = front_bytes, .segment = node.content};
  if (auto emitted = Emit(placed, page_ * kPageBytes + start); !emitted) return emitted;
  fill_bytes_ = kPageBytes;
  by_length_.erase({run.length_bytes, next->first});
  run.file_offset = front_bytes;
  run.length_bytes = rest.length_bytes;
  run.segment = node.content + 1;
  by_length_.emplace(run.length_bytes, next->first);
  return {};
}

Result<void> PageLayout::PlaceInPage(Ahead::iterator run) {
  fill_bytes_ = AlignUp(fill_bytes_, kExtentAlign);
  if (auto emitted = Emit(run->second, page_ * kPageBytes + fill_bytes_); !emitted) return emitted;
  fill_bytes_ += run->second.length_bytes;
  Take(run);
  return {};
}

void PageLayout::Take(Ahead::iterator run) {
  by_length_.erase({run->second.length_bytes, run->first});
  ahead_.erase(run);
}

// Extents are numbered by offset, so whole pages behind the open one wait until it is closed.
Result<void> PageLayout::ClosePage() {
  for (const auto& [first_page, run] : whole_pages_)
    for (uint64_t done = 0; done < run.length_bytes; done += kPageBytes) {
      const Run page{.node = run.node,
                     .file_offset = run.file_offset + done,
                     .length_bytes = kPageBytes,
                     .segment = done == 0 ? run.segment : std::nullopt};
      if (auto emitted = Emit(page, first_page * kPageBytes + done); !emitted) return emitted;
    }
  whole_pages_.clear();
  page_ = next_page_++;
  fill_bytes_ = 0;
  return {};
}

Result<void> PageLayout::Emit(const Run& run, uint64_t offset) {
  const ExtentNumber number = tables_.extents.size();
  if (run.segment)
    tables_.segments[*run.segment].first_extent = number;
  else if (tables_.nodes[run.node].kind == NodeKind::kFile)
    tables_.nodes[run.node].content = number;
  if (auto added = file_offsets_.Append(run.file_offset); !added) return added;
  return tables_.extents.Append(
      {.offset = offset, .length_bytes = static_cast<uint32_t>(run.length_bytes), .node = run.node});
}

}  // namespace quire
