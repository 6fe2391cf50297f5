// SPDX-License-Identifier: Apache-2.0
// The volumes of an index as one row of pages, numbered from 0 on. Tables, accounts and policies count pages and know
// nothing of volumes; here a page is told to be bytes of a volume, and each read goes to the source of its volume.
// Immutable, so any thread may call anything.
#pragma once

#include <cstddef>
#include <cstdint>
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

  [[nodiscard]] uint64_t page_count() const { return page_count_; }
  // The pages of a volume that hold data: from `first` on among all, where the first of them is page `number` of the
  // volume. None where the volume cannot be had. REQUIRES: the volume was given.
  struct Span {
    uint64_t first = 0;
    uint64_t count = 0;
    uint64_t number = 0;
  };
  [[nodiscard]] Span SpanOf(uint16_t volume) const;
  [[nodiscard]] Page At(uint64_t page) const;  // REQUIRES: page < page_count()

  // The page in which `extent` lies, or why its volume cannot be had.
  [[nodiscard]] Result<uint64_t> PageOf(const Extent& extent) const;
  // The same, quick; nothing instead of an error.
  [[nodiscard]] std::optional<uint64_t> FindPage(const Extent& extent) const {
    if (extent.volume >= members_.size() || members_[extent.volume].source == nullptr) return std::nullopt;
    return members_[extent.volume].page_zero + extent.offset / kPageBytes;
  }

  // As VolumeSource::Submit: each read to the source of `read.volume`.
  void Submit(VolumeRead* first) const;

  // What suits all sources: the largest alignment and request, and the depth that keeps the deepest busy.
  [[nodiscard]] uint32_t alignment_bytes() const { return alignment_bytes_; }
  [[nodiscard]] uint32_t request_bytes() const { return request_bytes_; }
  [[nodiscard]] uint32_t depth() const { return depth_; }
  // That of the source of volume 0, where all volumes have the same: 0 elsewhere.
  [[nodiscard]] uint32_t background_depth() const;

 private:
  struct Member {
    Volume record = {};
    VolumeSource* source = nullptr;  // null where the volume cannot be had
    uint64_t first_page = 0;         // of those that hold data
    // The page that begins with byte 0 of the volume, whether it holds data or not; numbers wrap around.
    uint64_t page_zero = 0;
    std::optional<Error> error = {};
  };
  void Add(const Volume& record, VolumeSource& source);

  std::vector<Member> members_;
  bool has_one_source_ = true;
  uint64_t page_count_ = 0;
  uint32_t alignment_bytes_ = 1;
  uint32_t request_bytes_ = 1;
  uint32_t depth_ = 1;
};

}  // namespace quire
