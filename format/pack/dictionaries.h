// SPDX-License-Identifier: Apache-2.0
// The dictionaries of a pack, each made ready when a frame first needs it.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/pack/index.h"
#include "format/pack/zstd_frame.h"
#include "format/result.h"

namespace quire {

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
