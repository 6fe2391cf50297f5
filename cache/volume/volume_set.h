// SPDX-License-Identifier: Apache-2.0
// The volumes of an index as one row of pages, numbered from 0 on. Tables, accounts and policies count pages and know
// nothing of volumes; here a page is told to be bytes of a volume, and each read goes to the source of its volume.
// Any thread may call anything. Where a pack grows while it is used, the row grows at its end: a page keeps its number
// for ever.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/volume/volume_source.h"
#include "format/pack/geometry.h"
#include "format/pack/pack.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

class VolumeSet {
 public:
  // The data of a page: bytes [begin, end) of a volume, in which it is page `number`. At least one.
  struct Page {
    uint16_t volume = 0;
    uint64_t number = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  // One source for each of `volumes`, in their order. The sources must outlive the set. REQUIRES: as many of both, at
  // least one.
  VolumeSet(std::span<const Volume> volumes, std::span<VolumeSource* const> sources);
  // The volumes that `pack` has open, all read by `source`, which serves the descriptors of its
  // volume_fds(). Of one that
  // cannot be had PageOf says why. Both must outlive the set.
  VolumeSet(const Pack& pack, VolumeSource& source);

  // Adds the pages that `later`, a later generation of `pack`, has beside those that are here. The set was made of
  // `pack`, which has opened its volumes. An error leaves the set as it was: those of `later`, and kUnsupported where
  // there would be more than `most_pages`. One thread at a time.
  Result<void> Grow(const Pack& pack, const Index& later, uint64_t most_pages);

  [[nodiscard]] uint64_t page_count() const { return row().page_count; }
  // Pages of a volume that hold data: from `first` on among all, where the first of them is page `number` of the
  // volume.
  struct Span {
    uint16_t volume = 0;
    uint64_t first = 0;
    uint64_t count = 0;
    uint64_t number = 0;
    uint64_t data_end = 0;  // in the volume: where the data of the last of them ends

    bool operator==(const Span&) const = default;
  };
  // All pages in their order. A volume that has grown has several spans, one that cannot be had has none. They stay
  // where they are as long as the set lives.
  [[nodiscard]] std::span<const Span> spans() const { return row().spans; }
  [[nodiscard]] Page At(uint64_t page) const;  // REQUIRES: page < page_count()

  // The page in which `extent` lies, or why its volume cannot be had.
  [[nodiscard]] Result<uint64_t> PageOf(const Extent& extent) const;
  // The same, quick; nothing instead of an error.
  [[nodiscard]] std::optional<uint64_t> FindPage(const Extent& extent) const {
    const Row& row = this->row();
    if (extent.volume >= row.members.size() || row.members[extent.volume].source == nullptr) return std::nullopt;
    const Member& member = row.members[extent.volume];
    const uint64_t number = extent.offset / kPageBytes;
    if (number >= member.further_number) [[unlikely]]
      return FindFurtherPage(row, extent.volume, number);
    return member.page_zero + number;
  }

  // As VolumeSource::Submit: each read to the source of `read.volume`.
  void Submit(VolumeRead* first) const;

  // What suits all sources: the largest alignment and request, and the depth that keeps the deepest busy.
  [[nodiscard]] uint32_t alignment_bytes() const { return row().alignment_bytes; }
  [[nodiscard]] uint32_t request_bytes() const { return row().request_bytes; }
  [[nodiscard]] uint32_t depth() const { return row().depth; }
  // That of the source of volume 0, where all volumes have the same: 0 elsewhere.
  [[nodiscard]] uint32_t background_depth() const;

 private:
  struct Member {
    Volume record = {};
    VolumeSource* source = nullptr;  // null where the volume cannot be had
    // The page that begins with byte 0 of the volume, whether it holds data or not; numbers wrap around.
    uint64_t page_zero = 0;
    // Pages of the volume from this number on came later, and have spans of their own.
    uint64_t further_number = ~uint64_t{0};
    std::optional<Error> error = {};
  };
  // All that changes where the set grows.
  struct Row {
    std::vector<Member> members;
    std::vector<Span> spans;  // none is empty
    bool has_one_source = true;
    uint64_t page_count = 0;
    uint32_t alignment_bytes = 1;
    uint32_t request_bytes = 1;
    uint32_t depth = 1;

    void Add(const Volume& record, VolumeSource& source);
    void AddWithout(Error error);
    // Adds the pages of the volume from `number` to that in which its data ends.
    void AddSpan(uint16_t volume, uint64_t number, uint64_t data_end);
  };

  [[nodiscard]] const Row& row() const { return *row_.load(std::memory_order_acquire); }
  void Publish(std::unique_ptr<const Row> row);
  static std::optional<uint64_t> FindFurtherPage(const Row& row, uint16_t volume, uint64_t number);

  VolumeSource* pack_source_ = nullptr;  // that Grow adds volumes of
  // All that were ever read: there is one for each time that the set grew.
  std::vector<std::unique_ptr<const Row>> rows_;
  std::atomic<const Row*> row_ = nullptr;
};

}  // namespace quire
