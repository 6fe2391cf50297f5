// SPDX-License-Identifier: Apache-2.0
// A coded member of more than a page, which can only be decoded from its start on: states of the decoder on the way
// are kept, so that a read begins at the nearest one before it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "format/mutex.h"
#include "format/pack/inflate.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

// Fills `into` with bytes of the volume in which coded members lie.
using ReadStored = std::function<Result<void>(uint64_t offset, std::span<std::byte> into)>;

// Thread-safe; one read at a time, and the others wait for it: what one of them decodes the next one begins with.
class LongMember {
 public:
  // States of 40 KiB, at multiples of a page that doubles whenever they are more.
  static constexpr size_t kMostStates = 128;

  explicit LongMember(const CodedMember& member);

  // Bytes from `offset` of the member on. Blocks in I/O. kCorrupt where the stream is damaged, as far as that can be
  // known: the member's sum is compared when its last byte is read. REQUIRES: they lie in the member.
  Result<void> Read(uint64_t offset, std::span<std::byte> into, const ReadStored& read_stored);

 private:
  // The state to go on from for a read at `offset`, which is taken out of latest_ where it is that.
  Result<InflateStream> Begin(uint64_t offset) QUIRE_REQUIRES(mutex_);
  Result<void> Keep(const InflateStream& stream) QUIRE_REQUIRES(mutex_);

  const CodedMember member_;
  Mutex mutex_;
  std::map<uint64_t, InflateStream> states_ QUIRE_GUARDED_BY(mutex_);  // by the bytes that they gave
  uint64_t spacing_bytes_ QUIRE_GUARDED_BY(mutex_);
  std::optional<InflateStream> latest_ QUIRE_GUARDED_BY(mutex_);  // where the last read ended
};

}  // namespace quire
