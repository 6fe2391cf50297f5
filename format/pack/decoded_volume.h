// SPDX-License-Identifier: Apache-2.0
// The bytes of a decoded volume: those of the coded members of another volume, each decoded when it is read. FORMAT.md,
// Coded members.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <utility>

#include "format/mutex.h"
#include "format/pack/long_member.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

// Thread-safe. Memory: what was read of coded bytes last, up to 4 MiB a thread, and for each of the
// kMostLongMembers that were read last up to 5 MiB of states.
class DecodedVolume {
 public:
  static constexpr size_t kMostLongMembers = 8;

  using GetMember = std::function<Result<CodedMember>(uint64_t number)>;

  // Volume `volume`: members `first` to `end` - 1 of what `get_member` gives, in the order of their places. Where one
  // of them is of another volume, or out of that order, a read that meets it gives kCorrupt. `read_stored` reads the
  // volume in which they lie.
  DecodedVolume(uint16_t volume, uint64_t first, uint64_t end, GetMember get_member, ReadStored read_stored);

  // Bytes from `offset` on; zeros where no member is. Blocks in I/O. Where a member of at most a page is damaged there
  // are zeros in its place, which its extent's sum finds, so that no other member suffers; a longer one, which has its
  // pages for itself, gives kCorrupt.
  Result<void> Read(uint64_t offset, std::span<std::byte> into);

 private:
  // Of a read: the part of `into` that is for `member`, and where in the member it begins.
  struct Part {
    CodedMember member;
    uint64_t number = 0;
    uint64_t offset = 0;
    std::span<std::byte> into;
  };

  Result<CodedMember> Get(uint64_t number) const;
  Result<uint64_t> FindFirst(uint64_t offset) const;
  // REQUIRES: all are of at most a page, and their coded bytes lie together.
  Result<void> ReadShort(std::span<const Part> parts) const;
  Result<void> ReadLong(const Part& part);

  const uint16_t volume_;
  const uint64_t first_;
  const uint64_t end_;
  const GetMember get_member_;
  const ReadStored read_stored_;
  Mutex mutex_;
  std::list<std::pair<uint64_t, std::shared_ptr<LongMember>>> long_members_
      QUIRE_GUARDED_BY(mutex_);  // last used first
};

}  // namespace quire
