// SPDX-License-Identifier: Apache-2.0
// The bytes of a decoded volume: those of the coded members of another volume, each decoded when it is read. FORMAT.md,
// Coded members.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "format/pack/dictionaries.h"
#include "format/pack/long_member.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

// What a volume of frames needs beside.
struct FrameNeeds {
  Dictionaries* dictionaries = nullptr;  // must outlive the volume; without, no frame has one
  // Called where the stored bytes of a frame came wrong, before they are read once more. May be empty.
  std::function<void(uint64_t offset, uint64_t bytes)> distrust = nullptr;
  // As CodedMembers::FindAround and CodedMembers::PassBad. Without, a member that is bad ends a read that meets it.
  std::function<uint64_t(uint64_t first, uint64_t end, uint64_t offset)> find_around = nullptr;
  std::function<uint64_t(uint64_t number)> pass_bad = nullptr;
};

// Thread-safe. Memory: what was read of coded bytes last, up to 4 MiB a thread.
class DecodedVolume {
 public:
  using GetMember = std::function<Result<CodedMember>(uint64_t number)>;

  // Volume `volume`: members `first` to `end` - 1 of what `get_member` gives, in the order of their places. Where one
  // of them is of another volume, or out of that order, a read that meets it gives kCorrupt. `read_stored` reads the
  // volume in which they lie. `long_members`, which must outlive this, is that of all volumes.
  DecodedVolume(uint16_t volume, uint64_t first, uint64_t end, GetMember get_member, ReadStored read_stored,
                LongMembers& long_members, FrameNeeds frames = {});

  // Further members, up to `end` - 1, which lie behind those that there were. Any thread may read meanwhile.
  void Grow(uint64_t end) { end_.store(end, std::memory_order_release); }

  // Bytes from `offset` on; zeros where no member is. Blocks in I/O. Where a member of at most a page is damaged there
  // are bytes of another sum in its place, so that it is found and no other member suffers; a longer one, which has its
  // pages for itself, gives kCorrupt.
  Result<void> Read(uint64_t offset, std::span<std::byte> into);

  // The member of more than a page that the byte at `offset` is of, whose reads wait for each other; empty where there
  // is none, or where that cannot be known.
  [[nodiscard]] std::optional<uint64_t> FindLong(uint64_t offset) const;

  // The member that the byte at `offset` is of; empty where there is none.
  [[nodiscard]] Result<std::optional<CodedMember>> FindMember(uint64_t offset) const;

  // Ends what is under way, which for a long member may take minutes, within a second, and all that comes later at
  // once: SystemError(ECANCELED).
  void Cancel() { is_cancelled_ = true; }

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
  // A member of codec kStored or kZstd. `stored`: its bytes as they came. Errors are those of reading.
  Result<void> ReadFrame(const Part& part, std::span<const std::byte> stored) const;
  Result<void> ReadLong(const Part& part);

  const uint16_t volume_;
  const uint64_t first_;
  std::atomic<uint64_t> end_;
  const GetMember get_member_;
  const ReadStored read_stored_;
  LongMembers& long_members_;
  const FrameNeeds frames_;
  std::atomic<bool> is_cancelled_ = false;
};

}  // namespace quire
