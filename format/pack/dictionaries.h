// SPDX-License-Identifier: Apache-2.0
// The dictionaries of a pack, each made ready when a frame first needs it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/pack/index.h"
#include "format/pack/zstd_frame.h"
#include "format/result.h"

namespace quire {

// The bytes of dictionary `number` of `index`, compared with their sum; they stay valid as long as it. Errors are those
// of Index. REQUIRES: number > 0, which stands for none.
Result<std::span<const std::byte>> ReadDictionary(const Index& index, uint64_t number);

// Thread-safe; after the first use of a dictionary no lock is taken for it. Memory: 27 KiB for each that was used, and
// its bytes, at most 39 MiB in all.
class Dictionaries {
 public:
  // `index` must outlive it.
  explicit Dictionaries(const Index& index) : index_(index) {}

  // Null for 0, which is none. kCorrupt where its bytes are not those that the pack states; kSystem where they could
  // not be read, and then the next call tries again. REQUIRES: number < kMaxDictionaries.
  Result<const FrameDictionary*> Get(uint8_t number);

 private:
  const Index& index_;
  Mutex mutex_;
  std::array<std::unique_ptr<FrameDictionary>, kMaxDictionaries> owned_ QUIRE_GUARDED_BY(mutex_);
  std::array<std::atomic<const FrameDictionary*>, kMaxDictionaries> ready_ = {};
};

}  // namespace quire
