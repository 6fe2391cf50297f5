// SPDX-License-Identifier: Apache-2.0
// The members that the decoded volumes of an index are made of: streams of coded bytes, in the order of their volumes
// and places. Thread-safe. Errors are those of Index.
#pragma once

#include <cstdint>
#include <utility>

#include "format/pack/index.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

class CodedMembers {
 public:
  // As cheap as a reference. `index` must outlive it.
  explicit CodedMembers(const Index& index) : index_(index) {}

  [[nodiscard]] uint64_t count() const { return index_.layers().count(Section::kCodedMembers); }
  // Neither a member nor the coded bytes of one begin before those of the member before it in its volume end.
  [[nodiscard]] Result<CodedMember> Get(uint64_t number) const;

  // The numbers of those of `volume`: from, and behind the last one. O(log members).
  [[nodiscard]] Result<std::pair<uint64_t, uint64_t>> FindAllOf(uint16_t volume) const;

  // --- Searches that go around damaged blocks of the index. O(log members), and 64 damaged blocks at most.

  // As FindAllOf: members of which it cannot be known may be left out at either end.
  [[nodiscard]] std::pair<uint64_t, uint64_t> FindAllAround(uint16_t volume) const;
  // Of the members [first, end) of one volume the first that ends behind `offset`; where that is one of several that
  // cannot be read, the first of these.
  [[nodiscard]] uint64_t FindAround(uint64_t first, uint64_t end, uint64_t offset) const;
  // The next member that may be a good one, behind `number`, which is bad.
  [[nodiscard]] uint64_t PassBad(uint64_t number) const;

 private:
  [[nodiscard]] Result<CodedMember> DecodeAt(uint64_t number) const;
  // Whether member `number` is of volume `least` or a later one.
  [[nodiscard]] Result<bool> IsFromVolume(uint64_t number, unsigned least) const;
  // The first member that does not lie in the block of the index in which `number` begins.
  [[nodiscard]] uint64_t BehindBlock(uint64_t number) const;
  // Why the codec of `member`, of a volume that has frames or not, does not allow its numbers; nothing where it does.
  [[nodiscard]] Result<void> CheckCodec(uint64_t number, const CodedMember& member, bool is_framed) const;

  const Index& index_;
};

}  // namespace quire
