// SPDX-License-Identifier: Apache-2.0
// A coded member of more than a page, which can only be decoded from its start on: states of the decoder on the way
// are kept, so that a read begins at the nearest one before it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "format/mutex.h"
#include "format/pack/inflate.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

// Fills `into` with bytes of the volume in which coded members lie.
using ReadStored = std::function<Result<void>(uint64_t offset, std::span<std::byte> into)>;

// Thread-safe. One read at a time, and the others wait for it: what one of them decodes the next one begins with.
class LongMember {
 public:
  // States of 40 KiB, at multiples of a page that doubles whenever they are more.
  static constexpr size_t kMostStates = 128;

  explicit LongMember(const CodedMember& member);

  // Bytes from `offset` of the member on. Blocks in I/O. kCorrupt where the stream is damaged, as far as that can be
  // known: the member's sum is compared when its last byte is read. REQUIRES: they lie in the member.
  Result<void> Read(uint64_t offset, std::span<std::byte> into, const ReadStored& read_stored);

  // States that it keeps beside the latest. Without the lock.
  [[nodiscard]] size_t states() const { return state_count_.load(std::memory_order_relaxed); }
  // Gives them up; the latest stays, so that who reads in order goes on.
  void DropStates();

 private:
  // The state to go on from for a read at `offset`, which is taken out of latest_ where it is that.
  Result<InflateStream> Begin(uint64_t offset) QUIRE_REQUIRES(mutex_);
  Result<void> Keep(const InflateStream& stream) QUIRE_REQUIRES(mutex_);
  // The last bytes were given: whether the stream ends there, and has the right sum.
  Result<void> CheckEnd(InflateStream& stream, std::span<const std::byte> stored, const ReadStored& read_stored);
  // More coded bytes, where there are some; `stored` is empty.
  Result<void> ReadPiece(const InflateStream& stream, std::span<const std::byte>& stored,
                         const ReadStored& read_stored);

  const CodedMember member_;
  Mutex mutex_;
  std::map<uint64_t, InflateStream> states_ QUIRE_GUARDED_BY(mutex_);  // by the bytes that they gave
  uint64_t spacing_bytes_ QUIRE_GUARDED_BY(mutex_);
  std::optional<InflateStream> latest_ QUIRE_GUARDED_BY(mutex_);  // where the last read ended
  std::atomic<size_t> state_count_ = 0;
};

// The long members that were read last, of all volumes of a pack: what they keep is bounded together. Thread-safe.
class LongMembers {
 public:
  // Each with its latest state: 10 MiB. So many can be read side by side.
  static constexpr size_t kMostMembers = 256;
  // Beside those: 20 MiB.
  static constexpr size_t kMostStates = 512;

  // Member `number` of volume `volume`. The caller may use it whatever becomes of it here.
  std::shared_ptr<LongMember> Get(uint16_t volume, uint64_t number, const CodedMember& member);
  // Drops states of those that were not read for longest where there are too many. Call it after reads.
  void Trim();

 private:
  struct Entry {
    std::pair<uint16_t, uint64_t> key;
    std::shared_ptr<LongMember> member;
  };
  Mutex mutex_;
  std::list<Entry> entries_ QUIRE_GUARDED_BY(mutex_);  // last used first
  std::map<std::pair<uint16_t, uint64_t>, std::list<Entry>::iterator> places_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
